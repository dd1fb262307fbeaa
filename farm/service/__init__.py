"""What keeps a farm running on this machine: a Ray of its own, the supervisor of ``farm up``, and ``farm render``."""
