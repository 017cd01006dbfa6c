"""First, generated from segformer.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 120 tensors, 201 850 parameters
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


class SegformerOverlapPatchEmbeddings(nn.Module):
    """model.segformer.stages.0-3.patch_embeddings"""

    def __init__(
        self, in_channels: int, dim: int, kernel_size: int, stride: int, padding: int
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(
            in_channels, dim, kernel_size, stride=stride, padding=padding
        )
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, *, dim]
        return self.layer_norm(self.proj(x).flatten(2).transpose(1, 2))


class SegformerSequenceReduction(nn.Module):
    """model.segformer.stages.0-2.blocks.0.attention.sequence_reduction"""

    def __init__(self, size: int, dim: int, kernel_size: int) -> None:
        super().__init__()
        self.size = size
        self.sequence_reduction = nn.Conv2d(dim, dim, kernel_size, stride=kernel_size)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, 4, dim]
        x = x.transpose(1, 2).unflatten(-1, (self.size, self.size))
        return self.layer_norm(self.sequence_reduction(x).flatten(2).transpose(1, 2))


class SegformerAttention(nn.Module):
    """model.segformer.stages.0.blocks.0.attention"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(16, 16)
        self.sequence_reduction = SegformerSequenceReduction(16, 16, kernel_size=8)
        self.k_proj = nn.Linear(16, 16)
        self.v_proj = nn.Linear(16, 16)
        self.o_proj = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 256, 16] -> [batch, 256, 16]
        q = self.q_proj(x).unsqueeze(1)
        x = self.sequence_reduction(x)
        k = self.k_proj(x).unsqueeze(1)
        attn = F.scaled_dot_product_attention(q, k, self.v_proj(x).unsqueeze(1))
        return self.o_proj(attn.squeeze(1))


class SegformerDepthWiseConv(nn.Module):
    """model.segformer.stages.0-3.blocks.0.mlp.dwconv"""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, channels] -> [batch, *, channels]
        x = self.dwconv(x.transpose(1, 2).unflatten(-1, (self.size, self.size)))
        return x.flatten(2).transpose(1, 2)


class SegformerMixMLP(nn.Module):
    """model.segformer.stages.0-3.blocks.0.mlp"""

    def __init__(self, dim: int, hidden_dim: int, size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.dwconv = SegformerDepthWiseConv(size, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        return self.fc2(F.gelu(self.dwconv(self.fc1(x))))


class SegformerLayer(nn.Module):
    """model.segformer.stages.0.blocks.0"""

    def __init__(self) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(16)
        self.attention = SegformerAttention()
        self.layernorm_after = nn.LayerNorm(16)
        self.mlp = SegformerMixMLP(16, 64, size=16)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 256, 16] -> [batch, 256, 16]
        x = self.attention(self.layernorm_before(x)) + x
        return self.mlp(self.layernorm_after(x)) + x


class SegformerStage(nn.Module):
    """model.segformer.stages.0"""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embeddings = SegformerOverlapPatchEmbeddings(
            in_channels=3, dim=16, kernel_size=7, stride=4, padding=3
        )
        self.blocks = nn.ModuleList([SegformerLayer()])
        self.layer_norm = nn.LayerNorm(16)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 16, 16, 16]
        x = self.layer_norm(self.blocks[0](self.patch_embeddings(image)))
        return x.unflatten(1, (16, 16)).permute(0, 3, 1, 2)


class SegformerAttention2(nn.Module):
    """model.segformer.stages.1-3.blocks.0.attention"""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        size: int = 1,
        kernel_size: int = 1,
        *,
        sequence_reduction: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, dim)
        self.sequence_reduction = (
            SegformerSequenceReduction(size, dim, kernel_size=kernel_size)
            if sequence_reduction
            else nn.Identity()
        )
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.o_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        q = self.q_proj(x).unflatten(-1, (self.num_heads, 16)).transpose(1, 2)
        x = self.sequence_reduction(x)
        k = self.k_proj(x).unflatten(-1, (self.num_heads, 16)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, 16)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.o_proj(attn)


class SegformerLayer2(nn.Module):
    """model.segformer.stages.1-3.blocks.0"""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        hidden_dim: int,
        size: int,
        kernel_size: int = 1,
        *,
        sequence_reduction: bool = False,
    ) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(dim)
        self.attention = SegformerAttention2(
            dim,
            num_heads,
            size=size,
            kernel_size=kernel_size,
            sequence_reduction=sequence_reduction,
        )
        self.layernorm_after = nn.LayerNorm(dim)
        self.mlp = SegformerMixMLP(dim, hidden_dim, size=size)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        x = self.attention(self.layernorm_before(x)) + x
        return self.mlp(self.layernorm_after(x)) + x


class SegformerStage2(nn.Module):
    """model.segformer.stages.1-3"""

    def __init__(
        self,
        in_channels: int,
        dim: int,
        num_heads: int,
        hidden_dim: int,
        size: int,
        kernel_size: int = 1,
        *,
        sequence_reduction: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.patch_embeddings = SegformerOverlapPatchEmbeddings(
            in_channels=in_channels, dim=dim, kernel_size=3, stride=2, padding=1
        )
        self.blocks = nn.ModuleList(
            [
                SegformerLayer2(
                    dim,
                    num_heads,
                    hidden_dim=hidden_dim,
                    size=size,
                    kernel_size=kernel_size,
                    sequence_reduction=sequence_reduction,
                ),
            ],
        )
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_channels, *, *] -> [batch, dim, size, size]
        x = self.layer_norm(self.blocks[0](self.patch_embeddings(x)))
        return x.unflatten(1, (self.size, self.size)).permute(0, 3, 1, 2)


class SegformerModel(nn.Module):
    """model.segformer"""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                SegformerStage(),
                SegformerStage2(
                    in_channels=16,
                    dim=32,
                    num_heads=2,
                    hidden_dim=128,
                    size=8,
                    kernel_size=4,
                    sequence_reduction=True,
                ),
                SegformerStage2(
                    in_channels=32,
                    dim=48,
                    num_heads=3,
                    hidden_dim=192,
                    size=4,
                    kernel_size=2,
                    sequence_reduction=True,
                ),
                SegformerStage2(
                    in_channels=48, dim=64, num_heads=4, hidden_dim=256, size=2
                ),
            ],
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # image: [batch, 3, 64, 64] -> ([batch, 16, 16, 16], [batch, 32, 8, 8],
        # [batch, 48, 4, 4], [batch, 64, 2, 2])
        x = self.stages[0](image)
        out = self.stages[1](x)
        y = self.stages[2](out)
        return x, out, y, self.stages[3](y)


class SegformerMLP(nn.Module):
    """model.decode_head.linear_projections.0-3"""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_features, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, in_features, *, *] -> [batch, *, 32]
        return self.proj(x.flatten(2).transpose(1, 2))


class SegformerDecodeHead(nn.Module):
    """model.decode_head"""

    def __init__(self) -> None:
        super().__init__()
        self.linear_projections = nn.ModuleList(
            [SegformerMLP(16), SegformerMLP(32), SegformerMLP(48), SegformerMLP(64)]
        )
        self.linear_fuse = nn.Conv2d(128, 32, 1)
        self.classifier = nn.Conv2d(32, 10, 1)

    def forward(self, x: Tensor, out: Tensor, y: Tensor, z: Tensor) -> Tensor:
        # x: [batch, 64, 2, 2], out: [batch, 48, 4, 4], y: [batch, 32, 8, 8],
        # z: [batch, 16, 16, 16] -> [batch, 10, 16, 16]
        x = self.linear_projections[3](x).transpose(1, 2).unflatten(-1, (2, 2))
        x = F.interpolate(x, size=(16, 16), mode="bilinear")
        out = self.linear_projections[2](out).transpose(1, 2).unflatten(-1, (4, 4))
        out = F.interpolate(out, size=(16, 16), mode="bilinear")
        y = self.linear_projections[1](y).transpose(1, 2).unflatten(-1, (8, 8))
        y = F.interpolate(y, size=(16, 16), mode="bilinear")
        z = self.linear_projections[0](z).transpose(1, 2).unflatten(-1, (16, 16))
        x = F.relu(self.linear_fuse(torch.cat([x, out, y, z], dim=1)))
        return self.classifier(x)


class SegformerForSemanticSegmentation(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.segformer = SegformerModel()
        self.decode_head = SegformerDecodeHead()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10, 16, 16]
        x, out, y, z = self.segformer(image)
        return self.decode_head(z, y, out, x)


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = SegformerForSemanticSegmentation()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 64, 64] -> [batch, 10, 16, 16]
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
