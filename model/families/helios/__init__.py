"""Helios (arXiv 2603.04379): Wan 2.1 made autoregressive, sections of 33 frames, each decoded alone."""
