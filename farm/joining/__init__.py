"""Machines that join a farm: what the head tells them, what they check, and the agent that keeps them in it.

No Ray here: its processes are started and watched from outside.
"""
