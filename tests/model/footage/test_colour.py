"""Colours mean what the file says: profiles, bit depths, and HD video that does not say."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from farm.errors import InputError
from model.footage.pictures import open_image
from model.footage.video import read_video

LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def swapped() -> bytes:
    """A profile in which red and green have changed places: what it does can't be missed."""
    profile = bytearray(SRGB)
    places = range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)
    tags = {bytes(profile[at : at + 4]): at for at in places}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be")).replace(b"sRGB", b"xxxx")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_profile_is_applied(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.new("RGB", (32, 32), (200, 40, 90)), kind, icc_profile=swapped(), **options)
    red, green, blue = open_image(data).getpixel((9, 9))
    assert green > 180 and red < 80 and abs(blue - 90) < 25


def test_a_profile_applies_to_pictures_with_transparency_and_palettes() -> None:
    plain = Image.new("RGBA", (32, 32), (200, 40, 90, 128))
    red, green, _ = open_image(saved(plain, icc_profile=swapped())).getpixel((9, 9))
    assert green > red + 40
    palette = Image.new("RGB", (32, 32), (200, 40, 90)).quantize(4)
    red, green, _ = open_image(saved(palette, icc_profile=swapped())).getpixel((9, 9))
    assert green > red + 100


@pytest.mark.parametrize(
    "profile", [b"broken", swapped()[:200], LAB, SRGB], ids=["junk", "cut", "of another kind", "sRGB"]
)
def test_a_profile_that_says_nothing_changes_nothing(profile: bytes) -> None:
    data = saved(Image.new("RGB", (32, 32), (200, 40, 90)), icc_profile=profile)
    assert open_image(data).getpixel((9, 9)) == (200, 40, 90)


@pytest.mark.parametrize(("white", "expected"), [(1.0, 128), (255.0, 128), (65535.0, 128)])
def test_floating_point_pictures_are_scaled(white: float, expected: int) -> None:
    pixels = np.full((20, 20), 0.5 * white, np.float32)
    pixels[0] = white
    grey = open_image(saved(Image.fromarray(pixels), "TIFF")).getpixel((9, 9))
    assert all(abs(value - expected) <= 1 for value in grey)


@pytest.mark.parametrize("value", [-1.0, 1e9, float("nan")])
def test_floating_point_pictures_of_unknown_range_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="floating-point values"):
        open_image(saved(Image.fromarray(np.full((20, 20), value, np.float32)), "TIFF"))


@pytest.mark.parametrize(("lines", "matrix"), [(720, 1), (480, 5)])
def test_videos_without_a_word_mean_the_colours_of_their_size(lines: int, matrix: int) -> None:
    colour = np.zeros((lines, 64, 3), np.uint8)
    colour[:] = (200, 60, 40)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = lines, 64, "yuv420p"
        for index in range(2):
            frame = av.VideoFrame.from_ndarray(colour, format="rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
            frame.colorspace, frame.pts, frame.time_base = 2, index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = np.asarray(next(iter(read_video(file.getvalue(), 30))))[lines // 2, 32]
    assert np.abs(shown.astype(int) - (200, 60, 40)).max() <= 4
