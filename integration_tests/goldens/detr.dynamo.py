"""First, generated from detr.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 110 tensors, 65 590 parameters
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


class DetrFrozenBatchNorm2d(nn.Module):
    """model.model.backbone.model.embedder.embedder.normalization,
    model.model.backbone.model.encoder.stages.0-1.layers.0.layer.0-1.normalization,
    model.model.backbone.model.encoder.stages.1.layers.0.shortcut.normalization
    """

    frozen_scale: Tensor
    frozen_bias: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("frozen_scale", torch.empty(1, size, 1, 1))
        self.register_buffer("frozen_bias", torch.empty(1, size, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, size, *, *] -> [batch, size, *, *]
        return x * self.frozen_scale + self.frozen_bias


class ResNetConvLayer(nn.Module):
    """model.model.backbone.model.embedder.embedder,
    model.model.backbone.model.encoder.stages.0-1.layers.0.layer.0-1
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int,
        stride: int = 1,
        *,
        activation: bool = False,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            bias=False,
        )
        self.normalization = DetrFrozenBatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, out_channels, *, *]
        x = self.normalization(self.convolution(x))
        if self.activation:
            x = F.relu(x)
        return x


class ResNetEmbeddings(nn.Module):
    """model.model.backbone.model.embedder"""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = ResNetConvLayer(3, 16, 7, padding=3, stride=2, activation=True)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 16, 16, 16]
        return F.max_pool2d(self.embedder(image), 3, stride=2, padding=1)


class ResNetShortCut(nn.Module):
    """model.model.backbone.model.encoder.stages.1.layers.0.shortcut"""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(16, 32, 1, stride=2, bias=False)
        self.normalization = DetrFrozenBatchNorm2d(32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, 32, 8, 8]
        return self.normalization(self.convolution(x))


class ResNetBasicLayer(nn.Module):
    """model.model.backbone.model.encoder.stages.0-1.layers.0"""

    def __init__(
        self, channels: int, stride: int = 1, *, shortcut: bool = False
    ) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            ResNetConvLayer(16, channels, 3, padding=1, stride=stride, activation=True),
            ResNetConvLayer(channels, channels, 3, padding=1),
        )
        self.shortcut = ResNetShortCut() if shortcut else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, channels, *, *]
        return F.relu(self.layer(x) + self.shortcut(x))


class ResNetStage(nn.Module):
    """model.model.backbone.model.encoder.stages.0-1"""

    def __init__(
        self, channels: int, stride: int = 1, *, shortcut: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [ResNetBasicLayer(channels, stride=stride, shortcut=shortcut)]
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, channels, *, *]
        return self.layers[0](x)


class ResNetEncoder(nn.Module):
    """model.model.backbone.model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [ResNetStage(16), ResNetStage(32, stride=2, shortcut=True)]
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 16, 16, 16] -> [batch, 32, 8, 8]
        for stage in self.stages:
            x = stage(x)
        return x


class ResNetBackbone(nn.Module):
    """model.model.backbone.model"""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = ResNetEmbeddings()
        self.encoder = ResNetEncoder()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 32, 8, 8]
        return self.encoder(self.embedder(image))


class DetrConvEncoder(nn.Module):
    """model.model.backbone"""

    def __init__(self) -> None:
        super().__init__()
        self.model = ResNetBackbone()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 32, 8, 8]
        return self.model(image)


class DetrSinePositionEmbedding(nn.Module):
    """model.model.position_embedding"""

    periods: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("periods", torch.empty(16))

    def forward(self, mask: Tensor) -> Tensor:
        # mask: [batch, 8, 8] -> [batch, 32, 8, 8]
        dtype = self.periods.dtype
        mask = mask.to(dtype)
        x = torch.cumsum(mask, dim=1)
        x = (x / (x[:, -1:] + 1e-06) * 6.2831855).unsqueeze(3) / self.periods
        cos = torch.cos(x[:, :, :, 1::2])
        x = torch.stack([torch.sin(x[:, :, :, ::2]), cos], dim=-1).flatten(3)
        out = torch.cumsum(mask, dim=2)
        out = (out / (out[:, :, -1:] + 1e-06) * 6.2831855).unsqueeze(3)
        out = out / self.periods
        cos = torch.cos(out[:, :, :, 1::2])
        out = torch.stack([torch.sin(out[:, :, :, ::2]), cos], dim=-1).flatten(3)
        return torch.cat([x, out], dim=3).permute(0, 3, 1, 2)


class DetrSelfAttention(nn.Module):
    """model.model.encoder.layers.0-1.self_attn,
    model.model.decoder.layers.0-1.self_attn
    """

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32)
        self.v_proj = nn.Linear(32, 32)
        self.o_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        # x: [batch, *, 32], residual: [batch, *, 32] -> [batch, *, 32]
        out = x + residual
        q = self.q_proj(out).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(out).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.o_proj(attn)


class DetrMLP(nn.Module):
    """model.model.encoder.layers.0-1.mlp, model.model.decoder.layers.0-1.mlp"""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, 32] -> [batch, *, 32]
        return self.fc2(F.relu(self.fc1(x)))


class DetrEncoderLayer(nn.Module):
    """model.model.encoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = DetrSelfAttention()
        self.self_attn_layer_norm = nn.LayerNorm(32)
        self.mlp = DetrMLP()
        self.final_layer_norm = nn.LayerNorm(32)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, 64, 32], out: [batch, 64, 32] -> [batch, 64, 32]
        x = self.self_attn_layer_norm(x + self.self_attn(x, out))
        return self.final_layer_norm(x + self.mlp(x))


class DetrEncoder(nn.Module):
    """model.model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DetrEncoderLayer() for _ in range(2))

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, 64, 32], out: [batch, 64, 32] -> [batch, 64, 32]
        for layer in self.layers:
            x = layer(x, out)
        return x


class DetrCrossAttention(nn.Module):
    """model.model.decoder.layers.0-1.encoder_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32)
        self.v_proj = nn.Linear(32, 32)
        self.o_proj = nn.Linear(32, 32)

    def forward(
        self, residual: Tensor, x: Tensor, out: Tensor, residual2: Tensor
    ) -> Tensor:
        # residual: [batch, 7, 32], x: [batch, 64, 32], out: [batch, 64, 32],
        # residual2: [batch, 7, 32] -> [batch, 7, 32]
        q = self.q_proj(residual + residual2).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(out).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.o_proj(attn)


class DetrDecoderLayer(nn.Module):
    """model.model.decoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = DetrSelfAttention()
        self.self_attn_layer_norm = nn.LayerNorm(32)
        self.encoder_attn = DetrCrossAttention()
        self.encoder_attn_layer_norm = nn.LayerNorm(32)
        self.mlp = DetrMLP()
        self.final_layer_norm = nn.LayerNorm(32)

    def forward(self, x: Tensor, out: Tensor, y: Tensor, z: Tensor) -> Tensor:
        # x: [batch, 7, 32], out: [batch, 64, 32], y: [batch, 64, 32], z: [batch, 7, 32]
        # -> [batch, 7, 32]
        x = self.self_attn_layer_norm(x + self.self_attn(x, z))
        x = x + self.encoder_attn(x, out, y, z)
        x = self.encoder_attn_layer_norm(x)
        return self.final_layer_norm(x + self.mlp(x))


class DetrDecoder(nn.Module):
    """model.model.decoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DetrDecoderLayer() for _ in range(2))
        self.layernorm = nn.LayerNorm(32)

    def forward(self, x: Tensor, out: Tensor, y: Tensor, residual: Tensor) -> Tensor:
        # x: [batch, 64, 32], out: [batch, 7, 32], y: [batch, 7, 32],
        # residual: [batch, 64, 32] -> [batch, 7, 32]
        z = x + residual
        for layer in self.layers:
            out = layer(out, z, x, y)
        return self.layernorm(out)


class DetrModel(nn.Module):
    """model.model"""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 7, 32))
        self.backbone = DetrConvEncoder()
        self.input_projection = nn.Conv2d(32, 32, 1)
        self.position_embedding = DetrSinePositionEmbedding()
        self.encoder = DetrEncoder()
        self.decoder = DetrDecoder()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 7, 32]
        dtype = self.weight.dtype
        batch = image.shape[0]
        x = torch.zeros(batch, 7, 32, dtype=dtype, device=image.device)
        out = self.weight.repeat(batch, 1, 1)
        y = self.input_projection(self.backbone(image)).flatten(2).transpose(1, 2)
        mask = torch.ones(batch, 8, 8, dtype=torch.bool, device=x.device)
        z = self.position_embedding(mask).flatten(2).transpose(1, 2)
        return self.decoder(self.encoder(y, z), x, out, z)


class DetrForObjectDetection(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.model = DetrModel()
        self.class_labels_classifier = nn.Linear(32, 6)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 7, 6]
        return self.class_labels_classifier(self.model(image))


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = DetrForObjectDetection()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 7, 6]
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
