"""A farm in fake time: the planner that the farm uses drives seats that only exist in memory."""
