"""The colours that a picture's file means: profiles, bit depths and transparency, as sRGB in 8 bits."""

import io

import numpy as np
from PIL import Image, ImageCms

from farm.errors import InputError

_SRGB = ImageCms.createProfile("sRGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """``image`` of any mode as sRGB on white.

    Its ICC profile is applied; one that is broken, or of another kind than the picture, changes nothing.

    Raises:
        InputError: it has floating-point values whose range is not known.
    """
    profile = image.info.get("icc_profile")
    image = _eight_bits(image)
    if not image.has_transparency_data:
        return _in_srgb(image.convert("RGB") if image.mode in ("P", "1") else image, profile)
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(_in_srgb(rgba.convert("RGB"), profile), mask=rgba.getchannel("A"))
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).casefold():
                converted = ImageCms.profileToProfile(
                    image,
                    source,
                    _SRGB,
                    renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    outputMode="RGB",
                    flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
                assert converted is not None  # only in-place conversions give nothing
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pictures of 16 or 32 bits a channel as grey of 8 bits; Pillow reads no colour pictures of more than 8."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode == "F":
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(values).all() and low >= 0 and high <= 65535):
            raise InputError(
                f"the image holds floating-point values from {low:g} to {high:g}; expected 0 to 1. Save it with 8 or "
                "16 bits a channel."
            )
        white = next(most for most in (1.0, 255.0, 65535.0) if high <= most)
        return Image.fromarray((values * (255 / white)).round().astype(np.uint8))
    return image
