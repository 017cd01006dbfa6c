"""First, generated from mixtral.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 21 tensors, 62 048 parameters
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


class MixtralRotaryEmbedding(nn.Module):
    """model.model.rotary_emb"""

    inv_freq: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "inv_freq",
            torch.tensor([1.0, 0.03162278, 0.001, 3.1622774e-05]),
            persistent=False,
        )

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        # positions: [seq] -> ([seq, 8], [seq, 8])
        dtype = self.inv_freq.dtype
        positions = positions.unsqueeze(1).to(dtype) * self.inv_freq
        x = torch.cat([positions, positions], dim=-1)
        return torch.cos(x), torch.sin(x)


class MixtralAttention(nn.Module):
    """model.model.layers.0-1.self_attn"""

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


class MixtralExperts(nn.Module):
    """model.model.layers.0-1.mlp.experts"""

    def __init__(self) -> None:
        super().__init__()
        self.down_proj = nn.Parameter(torch.empty(4, 32, 64))
        self.gate_up_proj = nn.Parameter(torch.empty(4, 128, 32))

    def forward(self, x: Tensor, out: Tensor, index: Tensor) -> Tensor:
        # x: [batch * seq, 32], out: [batch * seq, 2], index: [batch * seq, 2]
        # -> [batch * seq, 32]
        index = index.flatten()
        x = self.gate_up_proj[index] @ x.repeat_interleave(2, 0).unsqueeze(-1)
        x, y = x.squeeze(-1).chunk(2, dim=1)
        x = self.down_proj[index] @ (F.silu(x) * y).unsqueeze(-1)
        return (x.squeeze(-1) * out.reshape(-1, 1)).unflatten(0, (-1, 2)).sum(1)


class MixtralSparseMoeBlock(nn.Module):
    """model.model.layers.0-1.mlp"""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(32, 4, bias=False)
        self.experts = MixtralExperts()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 32]
        batch, seq = x.shape[:2]
        x = x.flatten(end_dim=1)
        out, index = topk(F.softmax(self.gate(x), dim=-1), 2)
        x = self.experts(x, out / out.sum(-1, keepdim=True), index)
        return x.unflatten(0, (batch, seq))


class MixtralDecoderLayer(nn.Module):
    """model.model.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(32, eps=1e-05)
        self.self_attn = MixtralAttention()
        self.post_attention_layernorm = nn.RMSNorm(32, eps=1e-05)
        self.mlp = MixtralSparseMoeBlock()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], cos: [seq, 8], sin: [seq, 8], mask: [batch, 1, seq, seq]
        # -> [batch, seq, 32]
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class MixtralModel(nn.Module):
    """model.model"""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(99, 32)
        self.rotary_emb = MixtralRotaryEmbedding()
        self.layers = nn.ModuleList(MixtralDecoderLayer() for _ in range(2))
        self.norm = nn.RMSNorm(32, eps=1e-05)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
        seq = input_ids.shape[1]
        positions = torch.arange(seq, device=input_ids.device)
        cos, sin = self.rotary_emb(positions)
        mask = positions.unsqueeze(0) <= positions.unsqueeze(1)
        mask = mask & attention_mask.bool()[:, None, None, :]
        mask = torch.where(mask, 0.0, torch.finfo(cos.dtype).min).to(cos.dtype)
        x = self.embed_tokens(input_ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


class MixtralForCausalLM(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.model = MixtralModel()
        self.lm_head = nn.Linear(32, 99, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.lm_head(self.model(input_ids, attention_mask))


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = MixtralForCausalLM()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.model(input_ids, attention_mask)


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


def rotate_half(x: Tensor) -> Tensor:
    """Turn pairs of features, one of each half, by a right angle."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([-b, a], dim=-1)


def topk(
    x: Tensor, k: int, dim: int = -1, largest: bool = True
) -> tuple[Tensor, Tensor]:
    """The greatest or least elements and where they are; of equal ones the first, which torch.topk does not promise."""
    values, indices = x.sort(dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


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
