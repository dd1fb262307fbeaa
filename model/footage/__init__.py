"""Footage: from the bytes that users bring to upright pictures of one size. No torch."""
