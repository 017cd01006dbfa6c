"""First, generated from convnext.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 65 tensors, 114 346 parameters
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


class ConvNextEmbeddings(nn.Module):
    """model.convnext.embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embeddings = nn.Conv2d(3, 16, 4, stride=4)
        self.layernorm = nn.LayerNorm(16, eps=1e-06)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 16, 16, 16]
        x = self.layernorm(self.patch_embeddings(image).permute(0, 2, 3, 1))
        return x.permute(0, 3, 1, 2)


class ConvNextLayer(nn.Module):
    """model.convnext.encoder.stages.*.layers.*"""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.layer_scale_parameter = nn.Parameter(torch.empty(dim))
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.layernorm = nn.LayerNorm(dim, eps=1e-06)
        self.pwconv1 = nn.Linear(dim, hidden_dim)
        self.pwconv2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, dim, *, *] -> [batch, dim, *, *]
        out = self.pwconv1(self.layernorm(self.dwconv(x).permute(0, 2, 3, 1)))
        out = self.layer_scale_parameter * self.pwconv2(F.gelu(out))
        return x + out.permute(0, 3, 1, 2)


class ConvNextStage(nn.Module):
    """model.convnext.encoder.stages.0-3"""

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        depth: int,
        normalized_shape: int = 1,
        *,
        has_downsampling_layer: bool = False,
    ) -> None:
        super().__init__()
        self.has_downsampling_layer = has_downsampling_layer
        if has_downsampling_layer:
            self.downsampling_layer = nn.ModuleList(
                [
                    nn.LayerNorm(normalized_shape, eps=1e-06),
                    nn.Conv2d(normalized_shape, dim, 2, stride=2),
                ],
            )
        self.layers = nn.ModuleList(
            ConvNextLayer(dim, hidden_dim) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, *, *] -> [batch, dim, *, *]
        if self.has_downsampling_layer:
            out = self.downsampling_layer[0](x.permute(0, 2, 3, 1))
            x = self.downsampling_layer[1](out.permute(0, 3, 1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class ConvNextEncoder(nn.Module):
    """model.convnext.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                ConvNextStage(16, 64, depth=1),
                ConvNextStage(
                    32, 128, depth=1, normalized_shape=16, has_downsampling_layer=True
                ),
                ConvNextStage(
                    48, 192, depth=2, normalized_shape=32, has_downsampling_layer=True
                ),
                ConvNextStage(
                    64, 256, depth=1, normalized_shape=48, has_downsampling_layer=True
                ),
            ],
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, 64, 2, 2]
        for stage in self.stages:
            x = stage(x)
        return x


class ConvNextModel(nn.Module):
    """model.convnext"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = ConvNextEmbeddings()
        self.encoder = ConvNextEncoder()
        self.layernorm = nn.LayerNorm(64, eps=1e-12)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 64]
        return self.layernorm(self.encoder(self.embeddings(image)).mean((2, 3)))


class ConvNextForImageClassification(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.convnext = ConvNextModel()
        self.classifier = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10]
        return self.classifier(self.convnext(image))


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = ConvNextForImageClassification()

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
