"""ResnetTorchscript, generated from resnet.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 60 tensors, 88 778 parameters
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


class Embedder(nn.Module):
    """model.resnet.embedder.embedder,
    model.resnet.encoder.stages.0-3.layers.0-1.layer.0-1
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return F.relu(self.convolution(x))


class Embedder2(nn.Module):
    """model.resnet.embedder"""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = Embedder(3, 16, 7, stride=2, padding=3)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 16, 16, 16]
        return F.max_pool2d(self.embedder(image), 3, stride=2, padding=1)


class Layer(nn.Module):
    """model.resnet.encoder.stages.0-3.layers.0-1.layer.2,
    model.resnet.encoder.stages.0-3.layers.0.shortcut
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return self.convolution(x)


class Layer2(nn.Module):
    """model.resnet.encoder.stages.0-3.layers.0-1"""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            Embedder(in_channels, channels, 1),
            Embedder(channels, channels, 3, stride=stride, padding=1),
            Layer(channels, out_channels),
        )
        self.shortcut = (
            Layer(in_channels, out_channels, stride=stride)
            if shortcut
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return F.relu(self.layer(x) + self.shortcut(x))


class Stage(nn.Module):
    """model.resnet.encoder.stages.0-3"""

    def __init__(
        self, in_channels: int, channels: int, hidden_channels: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                Layer2(
                    in_channels, channels, hidden_channels, stride=stride, shortcut=True
                ),
                Layer2(hidden_channels, channels, hidden_channels),
            ],
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, hidden_channels, *, *]
        for layer in self.layers:
            x = layer(x)
        return x


class Encoder(nn.Module):
    """model.resnet.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                Stage(16, 8, 32),
                Stage(32, 16, 64, stride=2),
                Stage(64, 24, 96, stride=2),
                Stage(96, 32, 128, stride=2),
            ],
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, 128, 2, 2]
        for stage in self.stages:
            x = stage(x)
        return x


class Resnet(nn.Module):
    """model.resnet"""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = Embedder2()
        self.encoder = Encoder()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 128, 1, 1]
        return self.encoder(self.embedder(image)).mean((2, 3), keepdim=True)


class Network(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = Resnet()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(128, 10))

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10]
        return self.classifier(self.resnet(image))


class ResnetTorchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Network()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10]
        return self.model(image)


Model = ResnetTorchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = ResnetTorchscript()
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
