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
    """model.mobilenet_v2.conv_stem.first_conv,
    model.mobilenet_v2.conv_stem.conv_3x3, model.mobilenet_v2.conv_stem.reduce_1x1
    and 4 more
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        *,
        pad: bool = False,
        activation: bool = False,
    ) -> None:
        super().__init__()
        self.pad = pad
        self.activation = activation
        self.convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            groups=groups,
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        if self.pad:
            x = F.pad(x, (0, 1, 0, 1))
        x = self.convolution(x)
        if self.activation:
            x = F.relu6(x)
        return x


class MobileNetV2Stem(nn.Module):
    """model.mobilenet_v2.conv_stem"""

    def __init__(self) -> None:
        super().__init__()
        self.first_conv = MobileNetV2ConvLayer(
            3, 16, 3, stride=2, pad=True, activation=True
        )
        self.conv_3x3 = MobileNetV2ConvLayer(
            16, 16, 3, padding=1, groups=16, activation=True
        )
        self.reduce_1x1 = MobileNetV2ConvLayer(16, 8, 1)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 8, 32, 32]
        return self.reduce_1x1(self.conv_3x3(self.first_conv(image)))


class MobileNetV2InvertedResidual(nn.Module):
    """model.mobilenet_v2.layer.0-15"""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        stride: int = 1,
        padding: int = 0,
        *,
        pad: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.expand_1x1 = MobileNetV2ConvLayer(
            in_channels, channels, 1, activation=True
        )
        self.conv_3x3 = MobileNetV2ConvLayer(
            channels,
            channels,
            3,
            stride=stride,
            padding=padding,
            groups=channels,
            pad=pad,
            activation=True,
        )
        self.reduce_1x1 = MobileNetV2ConvLayer(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        out = self.reduce_1x1(self.conv_3x3(self.expand_1x1(x)))
        if self.residual:
            out = x + out
        return out


class MobileNetV2Model(nn.Module):
    """model.mobilenet_v2"""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = MobileNetV2Stem()
        self.layer = nn.ModuleList(
            [
                MobileNetV2InvertedResidual(8, 48, 8, stride=2, pad=True),
                MobileNetV2InvertedResidual(8, 48, 8, padding=1, residual=True),
                MobileNetV2InvertedResidual(8, 48, 16, stride=2, pad=True),
                MobileNetV2InvertedResidual(16, 96, 16, padding=1, residual=True),
                MobileNetV2InvertedResidual(16, 96, 16, padding=1, residual=True),
                MobileNetV2InvertedResidual(16, 96, 24, stride=2, pad=True),
                MobileNetV2InvertedResidual(24, 144, 24, padding=1, residual=True),
                MobileNetV2InvertedResidual(24, 144, 24, padding=1, residual=True),
                MobileNetV2InvertedResidual(24, 144, 24, padding=1, residual=True),
                MobileNetV2InvertedResidual(24, 144, 32, padding=1),
                MobileNetV2InvertedResidual(32, 192, 32, padding=1, residual=True),
                MobileNetV2InvertedResidual(32, 192, 32, padding=1, residual=True),
                MobileNetV2InvertedResidual(32, 192, 56, stride=2, pad=True),
                MobileNetV2InvertedResidual(56, 336, 56, padding=1, residual=True),
                MobileNetV2InvertedResidual(56, 336, 56, padding=1, residual=True),
                MobileNetV2InvertedResidual(56, 336, 112, padding=1),
            ],
        )
        self.conv_1x1 = MobileNetV2ConvLayer(112, 1280, 1, activation=True)

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
