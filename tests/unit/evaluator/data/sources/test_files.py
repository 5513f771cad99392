"""Pictures of every kind that hosts have become RGB squares, upright; what cannot is told, never raised."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lethe.evaluator.data.sources.decoding import Decoded, Unusable, decode, quiet_pillow
from lethe.evaluator.data.sources.files import by_reason, scale_all

RED = (200, 30, 40)


def decoded(path: Path, size: int = 16) -> np.ndarray:
    result = decode(path, size)
    assert isinstance(result, Decoded), result
    assert result.pixels.shape == (3, size, size)
    assert result.pixels.dtype == np.uint8
    return result.pixels


def refused(path: Path, **limits: int) -> str:
    result = decode(path, 16, **limits)
    assert isinstance(result, Unusable)
    return by_reason([("x", result)])[0].removeprefix("x")


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("RGB", RED, "jpg", RED),
        ("L", 90, "jpg", (90, 90, 90)),
        ("CMYK", (55, 225, 215, 0), "jpg", RED),
        ("1", 1, "png", (255, 255, 255)),
        ("RGBA", (*RED, 255), "png", RED),
        ("RGBA", (*RED, 0), "png", (255, 255, 255)),  # transparent: the paper shows
        ("LA", (90, 255), "png", (90, 90, 90)),
        ("P", 7, "png", None),
        ("RGB", RED, "bmp", RED),
        ("RGB", RED, "webp", RED),
        ("RGB", RED, "gif", RED),
        ("RGB", RED, "tiff", RED),
        ("CMYK", (55, 225, 215, 0), "tiff", RED),
        ("RGB", RED, "avif", RED),
    ],
)
def test_kinds_of_pictures(tmp_path: Path, mode: str, colour: object, suffix: str, expected: object) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, (40, 30), colour).save(path)
    pixels = decoded(path)
    if expected is not None:
        assert np.abs(pixels.mean(axis=(1, 2)) - np.array(expected)).max() < 12


def test_a_photograph_stands_upright_as_its_camera_says(tmp_path: Path) -> None:
    upright = np.zeros((32, 32, 3), dtype=np.uint8)
    upright[:16] = 250  # sky above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    pixels = decoded(tmp_path / "turned.jpg", size=32)
    assert pixels[:, :12].mean() > 230
    assert pixels[:, 20:].mean() < 20


def test_the_middle_square_is_kept_without_distortion(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert decoded(tmp_path / "wide.png", size=20).mean() == 255


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (3_000, 3_000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # Pillow's own limit, at which it warns
    with quiet_pillow():
        assert refused(path, max_pixels=8_000_000) == (
            " (3000 × 3000 pixels in 0.0 MB): has more than 8 megapixels, the limit that LETHE_PHOTOGRAPH_PIXELS sets; "
            "raise it, or make the picture smaller"
        )
        assert isinstance(decode(path, 16, max_pixels=9_000_000), Decoded)
    assert Image.MAX_IMAGE_PIXELS == 1_000_000


def test_nothing_of_pillow_reaches_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"  # ends within its first entry
    Image.new("RGB", (40, 30), RED).save(tmp_path / "exif.jpg", exif=exif)
    picture = Image.new("P", (40, 30), 7)
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(tmp_path / "palette.png", transparency=bytes(256))
    with quiet_pillow():
        assert abs(decoded(tmp_path / "exif.jpg").mean(axis=(1, 2)) - np.array(RED)).max() < 12
        assert decoded(tmp_path / "palette.png").mean() == 255
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no JPEG"),
        (b"GIF89a", "is no JPEG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "heif-convert IN.heic OUT.jpg|cannot be decoded|is no JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is no JPEG|cannot be decoded"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    result = refused(tmp_path / "x.jpg")
    assert any(part in result for part in reason.split("|"))


def test_files_that_are_not_there_or_too_deep(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.jpg") == ": is missing"
    assert "cannot be decoded" in refused(tmp_path)  # a folder
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert "8 bits per channel" in refused(tmp_path / "deep.png")


def test_scaling_leaves_pictures_of_that_size_alone() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
    assert scale_all(pictures, 16) is pictures
    assert scale_all(pictures, 32).shape == (3, 3, 32, 32)
