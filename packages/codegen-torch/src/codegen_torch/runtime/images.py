"""Decode images: copied into models that take encoded files, and the only part that needs Pillow."""
# mypy: disable-error-code="import-not-found"

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def decode_image(stream: Tensor, pixel_format: str = "RGB") -> Tensor:
    """Decode the bytes of an image file into [height, width, channels]; what is no image has no pixels."""
    formats = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
    try:
        image = Image.open(io.BytesIO(stream.cpu().numpy().tobytes()), formats=formats)
        image.load()
    except (OSError, SyntaxError):
        channels = 1 if pixel_format == "Grayscale" else 3
        return torch.empty(0, 0, channels, dtype=torch.uint8, device=stream.device)
    if image.mode.startswith(("I", "F")):
        raise ValueError(
            f"the pixels of the image are more than 8 bits wide (mode {image.mode})"
        )
    mode = "L" if pixel_format == "Grayscale" else "RGB"
    pixels = torch.from_numpy(np.array(image.convert(mode))).to(stream.device)
    if mode == "L":
        return pixels.unsqueeze(-1)
    return pixels.flip(-1) if pixel_format == "BGR" else pixels
