"""First, generated from swin.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 81 tensors, 37 850 parameters
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


class SwinPatchEmbeddings(nn.Module):
    """model.swin.embeddings.patch_embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, 16, 2, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 256, 16]
        return self.projection(image).flatten(2).transpose(1, 2)


class SwinEmbeddings(nn.Module):
    """model.swin.embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embeddings = SwinPatchEmbeddings()
        self.norm = nn.LayerNorm(16)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 256, 16]
        return self.norm(self.patch_embeddings(image))


class SwinAttention(nn.Module):
    """model.swin.encoder.layers.0-1.blocks.0.attention"""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.position_bias = nn.Parameter(torch.empty(1, num_heads, 16, 16))
        self.o_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [*, 16, dim] -> [*, 16, dim]
        q = self.q_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, self.position_bias)
        return self.o_proj(attn.transpose(1, 2).flatten(2))


class SwinMLP(nn.Module):
    """model.swin.encoder.layers.0-1.blocks.0-1.mlp"""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        return self.fc2(F.gelu(self.fc1(x)))


class SwinLayer(nn.Module):
    """model.swin.encoder.layers.0-1.blocks.0"""

    def __init__(self, dim: int, size: int, num_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.size = size
        self.layernorm_before = nn.LayerNorm(dim)
        self.attention = SwinAttention(dim, num_heads)
        self.layernorm_after = nn.LayerNorm(dim)
        self.mlp = SwinMLP(dim, hidden_dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        batch = x.shape[0]
        out = self.layernorm_before(x)
        out = out.unflatten(1, (self.size, 4, self.size, 4)).transpose(2, 3)
        attention = self.attention(out.reshape(-1, 16, self.dim))
        attention = attention.reshape(batch, self.size, self.size, 4, 4, self.dim)
        x = x + attention.transpose(2, 3).flatten(1, 4)
        return self.mlp(self.layernorm_after(x)) + x


class SwinAttention2(nn.Module):
    """model.swin.encoder.layers.0-1.blocks.1.attention"""

    mask: Tensor

    def __init__(self, dim: int, num_heads: int, size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.position_bias = nn.Parameter(torch.empty(1, num_heads, 16, 16))
        self.register_buffer("mask", torch.empty(1, size, 1, 16, 16))
        self.o_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, batch: int) -> Tensor:
        # x: [*, 16, dim] -> [*, 16, dim]
        q = self.q_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, 8)).transpose(1, 2)
        x = self.mask.expand(batch, -1, -1, -1, -1).flatten(end_dim=1)
        attn = F.scaled_dot_product_attention(q, k, v, self.position_bias + x)
        return self.o_proj(attn.transpose(1, 2).flatten(2))


class SwinLayer2(nn.Module):
    """model.swin.encoder.layers.0-1.blocks.1"""

    def __init__(
        self,
        dim: int,
        size: int,
        shape: int,
        num_heads: int,
        attention_size: int,
        hidden_dim: int,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.size = size
        self.shape = shape
        self.layernorm_before = nn.LayerNorm(dim)
        self.attention = SwinAttention2(dim, num_heads, size=attention_size)
        self.layernorm_after = nn.LayerNorm(dim)
        self.mlp = SwinMLP(dim, hidden_dim)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, dim] -> [batch, *, dim]
        batch = x.shape[0]
        out = self.layernorm_before(x).unflatten(1, (self.size, self.size))
        out = torch.roll(out, (-2, -2), (1, 2))
        out = out.reshape(batch, self.shape, 4, self.shape, 4, self.dim)
        attention = self.attention(out.transpose(2, 3).reshape(-1, 16, self.dim), batch)
        attention = attention.reshape(batch, self.shape, self.shape, 4, 4, self.dim)
        attention = attention.transpose(2, 3)
        attention = attention.reshape(batch, self.size, self.size, self.dim)
        x = x + torch.roll(attention, (2, 2), (1, 2)).flatten(1, 2)
        return self.mlp(self.layernorm_after(x)) + x


class SwinPatchMerging(nn.Module):
    """model.swin.encoder.layers.0.downsample"""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(64)
        self.reduction = nn.Linear(64, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 256, 16] -> [batch, 64, 32]
        x = x.unflatten(1, (16, 16))
        out = x[:, 1::2, ::2]
        y = x[:, 1::2, 1::2]
        x = torch.cat([x[:, ::2, ::2], out, x[:, ::2, 1::2], y], dim=-1)
        return self.reduction(self.norm(x.flatten(1, 2)))


class SwinStage(nn.Module):
    """model.swin.encoder.layers.0"""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                SwinLayer(16, 4, num_heads=2, hidden_dim=64),
                SwinLayer2(
                    dim=16,
                    size=16,
                    shape=4,
                    num_heads=2,
                    attention_size=16,
                    hidden_dim=64,
                ),
            ],
        )
        self.downsample = SwinPatchMerging()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 256, 16] -> [batch, 64, 32]
        for block in self.blocks:
            x = block(x)
        return self.downsample(x)


class SwinStage2(nn.Module):
    """model.swin.encoder.layers.1"""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                SwinLayer(32, 2, num_heads=4, hidden_dim=128),
                SwinLayer2(
                    dim=32,
                    size=8,
                    shape=2,
                    num_heads=4,
                    attention_size=4,
                    hidden_dim=128,
                ),
            ],
        )

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 64, 32] -> [batch, 64, 32]
        for block in self.blocks:
            x = block(x)
        return x


class SwinEncoder(nn.Module):
    """model.swin.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([SwinStage(), SwinStage2()])

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 256, 16] -> [batch, 64, 32]
        for layer in self.layers:
            x = layer(x)
        return x


class AdaptiveAvgPool1d(nn.Module):
    """model.swin.pooler"""

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 32, 64] -> [batch, 32, 1]
        return x.unsqueeze(-2).mean((2, 3), keepdim=True).squeeze(-2)


class SwinModel(nn.Module):
    """model.swin"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = SwinEmbeddings()
        self.encoder = SwinEncoder()
        self.layernorm = nn.LayerNorm(32)
        self.pooler = AdaptiveAvgPool1d()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 32]
        x = self.layernorm(self.encoder(self.embeddings(image))).transpose(1, 2)
        return self.pooler(x).squeeze(2)


class SwinForImageClassification(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.swin = SwinModel()
        self.classifier = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 10]
        return self.classifier(self.swin(image))


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = SwinForImageClassification()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 10]
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
