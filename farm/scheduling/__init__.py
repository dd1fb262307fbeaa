"""Who does what next: pure decisions, without Ray, SQL, torch or a clock."""

from .planner import Assignment, IdleReplica, ReadyTask, assign

__all__ = ["Assignment", "IdleReplica", "ReadyTask", "assign"]
