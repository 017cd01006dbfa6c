"""UnetTorchscript, generated from unet.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 24 tensors, 29 530 parameters
generated  by onnxgen 0.1.0
"""

import math
import mmap
from pathlib import Path
from typing import Any

import msgpack
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """down1, down2, bottom and 2 more"""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, 3, padding=1),
            nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Identity(),
            nn.ReLU(),
        )


class UnetTorchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.down1 = ConvBlock(3, 8)
        self.down2 = ConvBlock(8, 16)
        self.bottom = ConvBlock(16, 32)
        self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.conv2 = ConvBlock(32, 16)
        self.conv1 = ConvBlock(24, 8)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 2, 32, 32]
        x = self.down1(image)
        out = self.down2(F.max_pool2d(x, 2))
        out = torch.cat([out, self.up2(self.bottom(F.max_pool2d(out, 2)))], dim=1)
        out = F.interpolate(self.conv2(out), scale_factor=2, mode="bilinear")
        return self.head(self.conv1(torch.cat([x, out], dim=1)))


Model = UnetTorchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = UnetTorchscript()
    if torch.device(device or "cpu").type == "meta":
        return model.to(dtype=dtype).eval()
    tensors = load_weights(path, None if weights else "…")
    model.to(dtype=dtype).load_state_dict(tensors, strict=True)
    return model.eval()


def load_weights(path: str | Path, model_id: str | None = None) -> dict[str, Tensor]:
    """Map the tensors of a weights file; changing them never changes the file."""
    with Path(path).open("rb") as file:
        unpacker = msgpack.Unpacker(file)
        try:
            # The blobs, which come last, are mapped, not parsed.
            keys = range(min(unpacker.read_map_header(), 5) - 1)
            header = {unpacker.unpack(): unpacker.unpack() for _ in keys}
        except (msgpack.UnpackException, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a weights file") from error
        stated = header.get("format"), header.get("version")
        if stated != ("onnxgen-weights", 1) or "tensors" not in header:
            raise ValueError(f"{path} is not a weights file of version 1")
        if model_id and header.get("model_id", model_id) != model_id:
            raise ValueError(
                f"{path} was written with another model.py, perhaps by a conversion "
                "that was cut short: convert again, or give load_model its path"
            )
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {
        name: map_tensor(data, name, entry) for name, entry in header["tensors"].items()
    }


def map_tensor(
    data: mmap.mmap,
    name: str,
    entry: dict[str, Any],
    part: int = 2**32 - 64,
) -> Tensor:
    """View one tensor of a weights file; one over 4 GiB is joined from its parts."""
    dtype, shape = getattr(torch, entry["dtype"]), entry["shape"]
    offset, nbytes = entry["offset"], entry["nbytes"]
    if offset % 64 or nbytes != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"the weights file contradicts itself about {name}")
    if offset + nbytes > len(data):
        raise ValueError(f"the weights file ends before {name} does")
    if not nbytes:
        return torch.empty(shape, dtype=dtype)
    parts = [
        torch.frombuffer(
            data,
            dtype=torch.uint8,
            count=min(part, nbytes - start),
            offset=offset + start // part * (part + 64),
        )
        for start in range(0, nbytes, part)
    ]
    flat = parts[0] if len(parts) == 1 else torch.cat(parts)
    return flat.view(dtype).reshape(shape)
