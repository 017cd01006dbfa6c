"""First, generated from mobilenet_v2.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 106 tensors, 401 898 parameters
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


class MobileNetV2ConvLayer(nn.Module):
    """model.mobilenet_v2.conv_stem.first_conv, model.mobilenet_v2.layer.*.conv_3x3"""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels, out_channels, 3, stride=2, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return F.relu6(self.convolution(F.pad(x, (0, 1, 0, 1))))


class MobileNetV2ConvLayer2(nn.Module):
    """model.mobilenet_v2.conv_stem.conv_3x3,
    model.mobilenet_v2.layer.0-15.expand_1x1, model.mobilenet_v2.layer.*.conv_3x3
    and 1 more
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=padding, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return F.relu6(self.convolution(x))


class MobileNetV2ConvLayer3(nn.Module):
    """model.mobilenet_v2.conv_stem.reduce_1x1,
    model.mobilenet_v2.layer.0-15.reduce_1x1
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return self.convolution(x)


class MobileNetV2Stem(nn.Module):
    """model.mobilenet_v2.conv_stem"""

    def __init__(self) -> None:
        super().__init__()
        self.first_conv = MobileNetV2ConvLayer(3, 16, groups=1)
        self.conv_3x3 = MobileNetV2ConvLayer2(
            in_channels=16, out_channels=16, kernel_size=3, padding=1, groups=16
        )
        self.reduce_1x1 = MobileNetV2ConvLayer3(16, 8)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 8, 32, 32]
        return self.reduce_1x1(self.conv_3x3(self.first_conv(image)))


class MobileNetV2InvertedResidual(nn.Module):
    """model.mobilenet_v2.layer.*"""

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.expand_1x1 = MobileNetV2ConvLayer2(
            in_channels=in_channels,
            out_channels=channels,
            kernel_size=1,
            padding=0,
            groups=1,
        )
        self.conv_3x3 = MobileNetV2ConvLayer(channels, channels, groups=channels)
        self.reduce_1x1 = MobileNetV2ConvLayer3(channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return self.reduce_1x1(self.conv_3x3(self.expand_1x1(x)))


class MobileNetV2InvertedResidual2(nn.Module):
    """model.mobilenet_v2.layer.*"""

    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.expand_1x1 = MobileNetV2ConvLayer2(
            in_channels=channels,
            out_channels=hidden_channels,
            kernel_size=1,
            padding=0,
            groups=1,
        )
        self.conv_3x3 = MobileNetV2ConvLayer2(
            in_channels=hidden_channels,
            out_channels=hidden_channels,
            kernel_size=3,
            padding=1,
            groups=hidden_channels,
        )
        self.reduce_1x1 = MobileNetV2ConvLayer3(hidden_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, channels, *, *] -> [batch, channels, *, *]
        return x + self.reduce_1x1(self.conv_3x3(self.expand_1x1(x)))


class MobileNetV2InvertedResidual3(nn.Module):
    """model.mobilenet_v2.layer.*"""

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.expand_1x1 = MobileNetV2ConvLayer2(
            in_channels=in_channels,
            out_channels=channels,
            kernel_size=1,
            padding=0,
            groups=1,
        )
        self.conv_3x3 = MobileNetV2ConvLayer2(
            in_channels=channels,
            out_channels=channels,
            kernel_size=3,
            padding=1,
            groups=channels,
        )
        self.reduce_1x1 = MobileNetV2ConvLayer3(channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        return self.reduce_1x1(self.conv_3x3(self.expand_1x1(x)))


class MobileNetV2Model(nn.Module):
    """model.mobilenet_v2"""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = MobileNetV2Stem()
        self.layer = nn.ModuleList(
            [
                MobileNetV2InvertedResidual(8, 48, out_channels=8),
                MobileNetV2InvertedResidual2(8, 48),
                MobileNetV2InvertedResidual(8, 48, out_channels=16),
                MobileNetV2InvertedResidual2(16, 96),
                MobileNetV2InvertedResidual2(16, 96),
                MobileNetV2InvertedResidual(16, 96, out_channels=24),
                MobileNetV2InvertedResidual2(24, 144),
                MobileNetV2InvertedResidual2(24, 144),
                MobileNetV2InvertedResidual2(24, 144),
                MobileNetV2InvertedResidual3(24, 144, out_channels=32),
                MobileNetV2InvertedResidual2(32, 192),
                MobileNetV2InvertedResidual2(32, 192),
                MobileNetV2InvertedResidual(32, 192, out_channels=56),
                MobileNetV2InvertedResidual2(56, 336),
                MobileNetV2InvertedResidual2(56, 336),
                MobileNetV2InvertedResidual3(56, 336, out_channels=112),
            ],
        )
        self.conv_1x1 = MobileNetV2ConvLayer2(
            in_channels=112, out_channels=1280, kernel_size=1, padding=0, groups=1
        )

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 1280]
        x = self.conv_stem(image)
        for layer in self.layer:
            x = layer(x)
        return self.conv_1x1(x).mean((2, 3), keepdim=True).flatten(1)


class MobileNetV2ForImageClassification(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.mobilenet_v2 = MobileNetV2Model()
        self.classifier = nn.Linear(1280, 10)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10]
        return self.classifier(self.mobilenet_v2(image))


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = MobileNetV2ForImageClassification()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10]
        return self.model(image)


Model = First


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = First()
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
