"""How good a video is by its pixels alone: measured piece by piece, and judged against its own beginning."""
