"""LlamaTorchscript, generated from llama.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 30 tensors, 34 208 parameters
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


class RotaryEmb(nn.Module):
    """model.model.rotary_emb"""

    inv_freq: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "inv_freq", torch.tensor([1.0, 0.1, 0.01, 0.001]), persistent=False
        )

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        # positions: [seq] -> ([seq, 8], [seq, 8])
        dtype = self.inv_freq.dtype
        positions = positions.unsqueeze(1).to(dtype) * self.inv_freq
        x = torch.cat([positions, positions], dim=-1)
        return torch.cos(x), torch.sin(x)


class SelfAttn(nn.Module):
    """model.model.layers.0-2.self_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32, bias=False)
        self.k_proj = nn.Linear(32, 16, bias=False)
        self.v_proj = nn.Linear(32, 16, bias=False)
        self.o_proj = nn.Linear(32, 32, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], cos: [seq, 8], sin: [seq, 8], mask: [batch, 1, seq, seq]
        # -> [batch, seq, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        q = q * cos + rotate_half(q) * sin
        k = self.k_proj(x).unflatten(-1, (2, 8)).transpose(1, 2)
        k = k * cos + rotate_half(k) * sin
        v = self.v_proj(x).unflatten(-1, (2, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        return self.o_proj(attn.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """model.model.layers.0-2.mlp"""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(32, 64, bias=False)
        self.up_proj = nn.Linear(32, 64, bias=False)
        self.down_proj = nn.Linear(64, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 32]
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """model.model.layers.0-2"""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(32, eps=1e-06)
        self.self_attn = SelfAttn()
        self.post_attention_layernorm = nn.RMSNorm(32, eps=1e-06)
        self.mlp = Mlp()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], cos: [seq, 8], sin: [seq, 8], mask: [batch, 1, seq, seq]
        # -> [batch, seq, 32]
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Network(nn.Module):
    """model.model"""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(99, 32)
        self.rotary_emb = RotaryEmb()
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.norm = nn.RMSNorm(32, eps=1e-06)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
        seq = input_ids.shape[1]
        positions = torch.arange(seq, device=input_ids.device)
        cos, sin = self.rotary_emb(positions)
        mask = positions.unsqueeze(0) <= positions.unsqueeze(1)
        mask = mask & attention_mask.bool()[:, None, None, :]
        x = self.embed_tokens(input_ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


class Network2(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.model = Network()
        self.lm_head = nn.Linear(32, 99, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.lm_head(self.model(input_ids, attention_mask))


class LlamaTorchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Network2()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.model(input_ids, attention_mask)


Model = LlamaTorchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = LlamaTorchscript()
    if torch.device(device or "cpu").type == "meta":
        return model.to(dtype=dtype).eval()
    tensors = load_weights(path, None if weights else "…")
    model.to(dtype=dtype).load_state_dict(tensors, strict=True)
    return model.eval()


def rotate_half(x: Tensor) -> Tensor:
    """Turn pairs of features, one of each half, by a right angle."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([-b, a], dim=-1)


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
