"""How large pictures, videos and sound may be that people bring; each is checked before memory is taken for it."""

MIN_SIDE = 16
MAX_PIXELS = 50_000_000
"""Of a still picture."""
MAX_VIDEO_PIXELS = 4096 * 2304
"""Of a frame of a video: 4K, in any direction."""
MAX_VIDEO_SECONDS = 120
MAX_SOUND_SECONDS = 3600
"""Of a sound track."""
MAX_VIDEO_FRAMES = 240 * MAX_VIDEO_SECONDS
MAX_DECODED_PIXELS = 16_000_000_000
"""Of all frames of a video: two minutes of Full HD at 60 frames a second, one minute of 4K at 30."""
MEMORY = 3 * 2**30
"""Bytes that the process that decodes may take."""
SCALER_THREADS = 1
"""Of what turns frames into RGB: pixels don't depend on how many cores a machine has, and one scaler serves all frames,
since each frame's own would take threads of its own, whose stacks count as memory."""
SECONDS = 120.0
"""Longest time that a file may take to be decoded whole."""
RATE = 48_000
"""Samples a second of sound, once it is decoded."""
CHANNELS = 2
SAMPLE = 2 * CHANNELS
"""Bytes of all channels of a sample."""


def megapixels(pixels: int) -> str:
    """Such as ``9.4 megapixels``."""
    return f"{pixels / 1e6:.3g} megapixels"
