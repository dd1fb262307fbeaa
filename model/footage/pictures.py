"""Still pictures at the door: from untrusted bytes to an upright RGB picture."""

import io
import struct
import warnings

import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from farm.errors import InputError

from .colour import to_rgb
from .footage import FileFacts
from .limits import MAX_PIXELS, MIN_SIDE, megapixels

pillow_heif.register_heif_opener(thumbnails=False)

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM")
USUAL = "a PNG, JPEG, WebP, HEIC or AVIF file"

_LOOK, _BITS = 64, 4
"""Side of the small picture whose colours are counted, and the bits of each channel that tell them apart."""

_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (4, b"ftyphei", "a HEIC picture that is damaged or of an unknown kind"),
    (4, b"ftypmif1", "a HEIC picture that is damaged or of an unknown kind"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an SVG drawing or another XML file"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (8, b"CR", "a camera's raw file"),
)
"""Formats that are not read: where in a file they tell themselves, by what, and what a person calls them."""
_VIDEOS = ((4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"\x47\x40"))


def open_image(data: bytes, what: str = "") -> Image.Image:
    """Decode a picture file of at most 50 megapixels; errors begin with ``what`` it is, if that is given.

    Returns:
        An sRGB image turned upright by its EXIF orientation. Transparency lies over white; an animation gives its
        first frame. ``info["file_format"]`` is Pillow's name of the file's format.

    Raises:
        InputError: not a picture in one of ``FORMATS``, truncated, a side under 16 pixels, or too large.
    """
    try:
        return _decode(data)
    except InputError as error:
        raise InputError(f"{what}: {error}" if what else str(error)) from None


def facts_of_picture(picture: Image.Image) -> FileFacts:
    """Of a picture from ``open_image``."""
    small = picture.resize((_LOOK, _LOOK))
    ground = max(count for count, _ in ImageOps.posterize(small, _BITS).getcolors(_LOOK**2) or ()) / _LOOK**2
    return FileFacts(picture.width, picture.height, str(picture.info["file_format"]), round(ground, 3))


def _decode(data: bytes) -> Image.Image:
    if not data:
        raise InputError(f"the image is empty (0 bytes); expected {USUAL}.")
    limit = megapixels(MAX_PIXELS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise InputError(f"the image is {width}x{height} pixels; at most {limit} are accepted.")
            if min(width, height) < MIN_SIDE:
                raise InputError(f"the image is {width}x{height} pixels; each side needs at least {MIN_SIDE}.")
            image.load()
            upright = to_rgb(ImageOps.exif_transpose(image))
            upright.info = {"file_format": image.format}
            return upright
    except Image.DecompressionBombError:
        raise InputError(f"the image is too large; at most {limit} are accepted.") from None
    except UnidentifiedImageError:
        raise InputError(_name(data)) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InputError(f"the image file is damaged or cut short ({error}); save it again and retry.") from None


def _name(data: bytes) -> str:
    """What a file that is no picture for Pillow may be, and what to do."""
    for offset, mark, kind in _OTHERS:
        if data[offset:].startswith(mark):
            return f"the file is {kind}, which this farm does not read; save it as PNG, JPEG or WebP."
    if any(data[offset:].startswith(mark) for offset, mark in _VIDEOS):
        return "the file is a video, not an image; a video can be extended, or save one of its frames as PNG."
    return f"the file is not an image; expected {USUAL}."
