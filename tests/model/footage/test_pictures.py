"""Start images at the door."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from farm.errors import InputError
from model.footage.pictures import open_image


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def gradient(mode: str = "RGB") -> Image.Image:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[..., 0] = np.arange(48) * 5
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_common_formats_become_rgb(format: str):
    image = open_image(encoded(gradient(), format))
    assert image.mode == "RGB" and image.size == (48, 32)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK"])
def test_all_modes_become_rgb(mode: str):
    assert open_image(encoded(gradient(mode), "TIFF" if mode == "CMYK" else "PNG")).mode == "RGB"


def test_sixteen_bit_grey_is_scaled_not_clipped():
    pixels = np.full((20, 20), 0x8000, np.uint16)
    assert open_image(encoded(Image.fromarray(pixels))).getpixel((3, 3)) == (128, 128, 128)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(encoded(gradient(), "JPEG", exif=exif)).size == (32, 48)


def test_transparency_lies_over_white():
    assert open_image(encoded(Image.new("RGBA", (20, 20), (10, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not an image"),
        (encoded(gradient())[:80], "damaged or cut short"),
        (encoded(gradient(), "JPEG")[:300], "damaged or cut short"),
        (encoded(Image.new("RGB", (15, 64))), "15x64 pixels; each side needs at least 16"),
        (png_header(9000, 9000), "at most 50 megapixels"),
        (png_header(60000, 60000), "at most 50 megapixels"),
    ],
)
def test_bad_files_are_refused_with_one_line(data: bytes, message: str):
    with pytest.raises(InputError, match=message) as caught:
        open_image(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "JPEG2000"])
def test_formats_of_phones_and_archives_are_read(format: str):
    image = open_image(encoded(gradient(), format))
    assert image.size == (48, 32) and image.info["file_format"] == format


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\x0a" + b"\0" * 60, "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 60, "a JPEG XL picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 60, "a HEIC picture that is damaged"),
        (b"8BPS\0\1" + b"\0" * 60, "a Photoshop file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 60, "a video, not an image"),
        (b"\x1aE\xdf\xa3" + b"\0" * 60, "a video, not an image"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(data: bytes, kind: str):
    with pytest.raises(InputError, match=kind) as caught:
        open_image(data)
    assert "save" in str(caught.value)
