"""ImageDecoder: formats, pixel formats, and files that are no images."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Row, check, check_facts, lower_proto, model_of
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> np.ndarray:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return np.frombuffer(stream.getvalue(), np.uint8)


RGB = Image.fromarray(PIXELS)
LOSSLESS = [("PNG", {}), ("BMP", {}), ("PPM", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize("opset", [20, 28])
@pytest.mark.parametrize(("kind", "options"), LOSSLESS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_was_encoded_comes_out(kind: str, options: dict[str, object], opset: int) -> None:
    stream = encoded(RGB, kind, **options)
    for pixel_format, wanted in (
        ("RGB", PIXELS),
        ("BGR", PIXELS[:, :, ::-1]),
        ("Grayscale", np.array(RGB.convert("L"))[:, :, None]),
    ):
        row = Row("ImageDecoder", opset, (stream,), {"pixel_format": pixel_format}, expected=lambda _, w=wanted: w)
        check(row, symbolic=True)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_what_loses_something_is_as_the_reference_has_it(kind: str) -> None:
    check(Row("ImageDecoder", 20, (encoded(RGB, kind),)), symbolic=True)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_other_modes_have_three_channels_too(mode: str) -> None:
    image = RGB.convert(mode)
    wanted = np.array(image.convert("RGB"))
    check(Row("ImageDecoder", 20, (encoded(image, "PNG"),), expected=lambda _: wanted), symbolic=True)


@pytest.mark.parametrize("stream", [b"no image", b"", encoded(RGB, "PNG").tobytes()[:60]], ids=["text", "none", "cut"])
@pytest.mark.parametrize(("pixel_format", "channels"), [("RGB", 3), ("Grayscale", 1)])
def test_what_is_no_image_has_no_pixels(stream: bytes, pixel_format: str, channels: int) -> None:
    data = np.frombuffer(stream, np.uint8).copy()
    lowered = lower_proto(model_of(Row("ImageDecoder", 20, (data,), {"pixel_format": pixel_format}), symbolic=True))
    (value,) = interpret(lowered.outputs, {"x0": torch.from_numpy(data)}, lowered.inputs).values()
    assert value.shape == (0, 0, channels)
    check_facts(lowered.outputs["y0"], value)


def test_wide_pixels_are_an_error() -> None:
    wide = encoded(Image.fromarray(np.full((2, 2), 40000, np.uint16)), "PNG")
    with pytest.raises(ValueError, match="8 bits"):
        check(Row("ImageDecoder", 20, (wide,), expected=lambda x: x), symbolic=False)


def test_other_pixel_formats_are_refused() -> None:
    row = Row("ImageDecoder", 20, (encoded(RGB, "PNG"),), {"pixel_format": "HSV"})
    with pytest.raises(UnsupportedError, match="HSV"):
        lower_proto(model_of(row, symbolic=False))
