"""Gpt2Torchscript, generated from gpt2.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 41 tensors, 43 392 parameters
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


class Attn(nn.Module):
    """model.transformer.h.0-2.attn"""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(32, 96)
        self.c_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        q, k, v = self.c_attn(x).split(32, dim=2)
        q = q.unflatten(-1, (4, 8)).transpose(1, 2)
        k = k.unflatten(-1, (4, 8)).transpose(1, 2)
        v = v.unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
        return self.c_proj(attn.flatten(2))


class Mlp(nn.Module):
    """model.transformer.h.0-2.mlp"""

    def __init__(self) -> None:
        super().__init__()
        self.c_fc = nn.Linear(32, 128)
        self.c_proj = nn.Linear(128, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 32]
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """model.transformer.h.0-2"""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(32)
        self.attn = Attn()
        self.ln_2 = nn.LayerNorm(32)
        self.mlp = Mlp()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        x = self.attn(self.ln_1(x), mask) + x
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """model.transformer"""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(99, 32)
        self.wpe = nn.Embedding(64, 32)
        self.h = nn.ModuleList(Block() for _ in range(3))
        self.ln_f = nn.LayerNorm(32)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
        seq = input_ids.shape[1]
        positions = torch.arange(seq, device=input_ids.device)
        mask = positions.unsqueeze(0) <= positions.unsqueeze(1)
        mask = mask & attention_mask.bool()[:, None, None, :]
        x = self.wte(input_ids) + self.wpe(positions)
        for h in self.h:
            x = h(x, mask)
        return self.ln_f(x)


class Network(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = Transformer()
        self.lm_head = nn.Linear(32, 99, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.lm_head(self.transformer(input_ids, attention_mask))


class Gpt2Torchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Network()
        self.model.lm_head.weight = self.model.transformer.wte.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.model(input_ids, attention_mask)


Model = Gpt2Torchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = Gpt2Torchscript()
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
