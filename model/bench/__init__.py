"""Benchmarks of the model layer: speed and memory with random weights, beside named references of the same run."""
