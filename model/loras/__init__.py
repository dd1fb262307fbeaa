"""LoRAs: which files there are, how their weights are named, what they change, and how that gets into a transformer."""
