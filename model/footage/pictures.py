"""Start images at the door: from untrusted bytes to an upright RGB picture."""

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from farm.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
MIN_SIDE = 16
MAX_PIXELS = 50_000_000
LIMIT = f"{MAX_PIXELS // 10**6} megapixels"


def open_image(data: bytes, what: str = "") -> Image.Image:
    """Decode a picture file of at most 50 megapixels; errors begin with ``what`` it is, if that is given.

    Returns:
        An RGB image turned upright by its EXIF orientation. Transparency lies over white; an animation gives its
        first frame.

    Raises:
        InputError: not a picture in one of ``FORMATS``, truncated, a side under 16 pixels, or too large.
    """
    try:
        return _decode(data)
    except InputError as error:
        raise InputError(f"{what}: {error}" if what else str(error)) from None


def _decode(data: bytes) -> Image.Image:
    if not data:
        raise InputError("the image is empty (0 bytes); expected a PNG, JPEG or WebP file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise InputError(f"the image is {width}x{height} pixels; at most {LIMIT} are accepted.")
            if min(width, height) < MIN_SIDE:
                raise InputError(f"the image is {width}x{height} pixels; each side needs at least {MIN_SIDE}.")
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise InputError(f"the image is too large; at most {LIMIT} are accepted.") from None
    except UnidentifiedImageError:
        raise InputError("the file is not an image; expected one of: " + ", ".join(FORMATS) + ".") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"the image file is damaged or cut short ({error}); save it again and retry.") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
