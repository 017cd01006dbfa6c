"""Denoiser, generated from diffusion.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 91 tensors, 120 275 parameters
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


class TimeEmbedding(nn.Module):
    """time_embedding"""

    inv_freq: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("inv_freq", torch.empty(1, 8))
        self.linear_1 = nn.Linear(16, 32)
        self.linear_2 = nn.Linear(32, 32)

    def forward(self, steps: Tensor) -> Tensor:
        # steps: [batch] -> [batch, 32]
        dtype = self.inv_freq.dtype
        steps = steps.unsqueeze(1).to(dtype) * self.inv_freq
        x = torch.cat([torch.cos(steps), torch.sin(steps)], dim=-1)
        return self.linear_2(F.silu(self.linear_1(x)))


class ResBlock(nn.Module):
    """down1, down2, mid_block1 and 3 more"""

    def __init__(
        self, num_channels: int, channels: int, *, conv_shortcut: bool = False
    ) -> None:
        super().__init__()
        self.conv_shortcut = (
            nn.Conv2d(num_channels, channels, 1) if conv_shortcut else nn.Identity()
        )
        self.norm1 = nn.GroupNorm(4, num_channels)
        self.conv1 = nn.Conv2d(num_channels, channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(32, channels)
        self.norm2 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, num_channels, *, *], out: [batch, 32] -> [batch, channels, *, *]
        out = self.time_emb_proj(out)[:, :, None, None]
        out = self.norm2(self.conv1(F.silu(self.norm1(x))) + out)
        return self.conv_shortcut(x) + self.conv2(F.silu(out))


class AttentionBlock(nn.Module):
    """mid_attention"""

    def __init__(self) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(4, 32)
        self.to_q = nn.Linear(32, 32)
        self.to_k = nn.Linear(32, 32)
        self.to_v = nn.Linear(32, 32)
        self.to_out = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 32, 16, 16] -> [batch, 32, 16, 16]
        out = self.group_norm(x).flatten(2).transpose(1, 2)
        q = self.to_q(out).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.to_k(out).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.to_v(out).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.to_out(attn).transpose(1, 2).unflatten(-1, (16, 16))


class Denoiser(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, 16, 3, padding=1)
        self.time_embedding = TimeEmbedding()
        self.down1 = ResBlock(16, 16)
        self.downsample = nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.down2 = ResBlock(16, 32, conv_shortcut=True)
        self.mid_block1 = ResBlock(32, 32)
        self.mid_attention = AttentionBlock()
        self.mid_block2 = ResBlock(32, 32)
        self.up2 = ResBlock(64, 32, conv_shortcut=True)
        self.upsample = nn.Conv2d(32, 32, 3, padding=1)
        self.up1 = ResBlock(48, 16, conv_shortcut=True)
        self.conv_norm_out = nn.GroupNorm(4, 16)
        self.conv_out = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, image: Tensor, steps: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32], steps: [batch] -> [batch, 3, 32, 32]
        x = F.silu(self.time_embedding(steps))
        out = self.down1(self.conv_in(image), x)
        y = self.down2(self.downsample(out), x)
        z = self.mid_block2(self.mid_attention(self.mid_block1(y, x)), x)
        z = self.up2(torch.cat([z, y], dim=1), x)
        z = self.upsample(F.interpolate(z, scale_factor=2))
        z = self.conv_norm_out(self.up1(torch.cat([z, out], dim=1), x))
        return self.conv_out(F.silu(z))


Model = Denoiser


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = Denoiser()
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
