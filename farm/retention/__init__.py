"""What of a finished job is kept, and for how long."""
