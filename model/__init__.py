"""Packed video models: plans, sampling, codec, conditioning, training. Knows no Ray and no SQL."""
