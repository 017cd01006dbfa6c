"""First, generated from t5_encoder.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 27 tensors, 28 096 parameters
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


class T5Attention(nn.Module):
    """model.encoder.block.0.layer.0.SelfAttention"""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(32, 32, bias=False)
        self.k = nn.Linear(32, 32, bias=False)
        self.v = nn.Linear(32, 32, bias=False)
        self.relative_attention_bias = nn.Embedding(32, 4)
        self.o = nn.Linear(32, 32, bias=False)

    def forward(
        self, x: Tensor, positions: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        # x: [batch, seq, 32], positions: [seq], mask: [batch, 1, 1, seq]
        # -> ([batch, 4, seq, seq], [batch, seq, 32])
        seq = x.shape[1]
        q = self.q(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v(x).unflatten(-1, (4, 8)).transpose(1, 2)
        positions = positions.unsqueeze(0) - positions.unsqueeze(1)
        index = torch.abs(positions)
        x = (torch.log(index.to(q.dtype) / 8.0) / 2.7725887 * 8.0).long()
        index2 = torch.full((seq, seq), 15, dtype=torch.int64, device=mask.device)
        index = torch.where(index < 8, index, torch.minimum(x + 8, index2))
        x = self.relative_attention_bias((positions > 0).long() * 16 + index)
        mask = torch.where(mask, 0.0, torch.finfo(q.dtype).min).to(q.dtype)
        mask = x.permute(2, 0, 1).unsqueeze(0) + mask
        attn = F.scaled_dot_product_attention(q, k, v, mask, scale=1.0)
        return mask, self.o(attn.transpose(1, 2).flatten(2))


class T5LayerSelfAttention(nn.Module):
    """model.encoder.block.0.layer.0"""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.RMSNorm(32, eps=1e-06)
        self.SelfAttention = T5Attention()

    def forward(
        self, x: Tensor, positions: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        # x: [batch, seq, 32], positions: [seq], mask: [batch, 1, 1, seq]
        # -> ([batch, 4, seq, seq], [batch, seq, 32])
        out, y = self.SelfAttention(self.layer_norm(x), positions, mask)
        return out, x + y


class T5DenseActDense(nn.Module):
    """model.encoder.block.0-2.layer.1.DenseReluDense"""

    def __init__(self) -> None:
        super().__init__()
        self.wi = nn.Linear(32, 64, bias=False)
        self.wo = nn.Linear(64, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 32]
        return self.wo(F.relu(self.wi(x)))


class T5LayerFF(nn.Module):
    """model.encoder.block.0-2.layer.1"""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.RMSNorm(32, eps=1e-06)
        self.DenseReluDense = T5DenseActDense()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 32]
        return x + self.DenseReluDense(self.layer_norm(x))


class T5Block(nn.Module):
    """model.encoder.block.0"""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([T5LayerSelfAttention(), T5LayerFF()])

    def forward(
        self, x: Tensor, positions: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        # x: [batch, seq, 32], positions: [seq], mask: [batch, 1, 1, seq]
        # -> ([batch, 4, seq, seq], [batch, seq, 32])
        x, out = self.layer[0](x, positions, mask)
        return x, self.layer[1](out)


class T5Attention2(nn.Module):
    """model.encoder.block.1-2.layer.0.SelfAttention"""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(32, 32, bias=False)
        self.k = nn.Linear(32, 32, bias=False)
        self.v = nn.Linear(32, 32, bias=False)
        self.o = nn.Linear(32, 32, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 4, seq, seq] -> [batch, seq, 32]
        q = self.q(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask, scale=1.0)
        return self.o(attn.transpose(1, 2).flatten(2))


class T5LayerSelfAttention2(nn.Module):
    """model.encoder.block.1-2.layer.0"""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.RMSNorm(32, eps=1e-06)
        self.SelfAttention = T5Attention2()

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, seq, 32], out: [batch, 4, seq, seq] -> [batch, seq, 32]
        return x + self.SelfAttention(self.layer_norm(x), out)


class T5Block2(nn.Module):
    """model.encoder.block.1-2"""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([T5LayerSelfAttention2(), T5LayerFF()])

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, seq, 32], out: [batch, 4, seq, seq] -> [batch, seq, 32]
        return self.layer[1](self.layer[0](x, out))


class T5Stack(nn.Module):
    """model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(99, 32)
        self.block = nn.ModuleList([T5Block(), T5Block2(), T5Block2()])
        self.final_layer_norm = nn.RMSNorm(32, eps=1e-06)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
        seq = input_ids.shape[1]
        positions = torch.arange(seq, device=input_ids.device)
        mask = attention_mask.bool()[:, None, None, :]
        x, out = self.block[0](self.embed_tokens(input_ids), positions, mask)
        for block in self.block[1:]:
            out = block(out, x)
        return self.final_layer_norm(out)


class T5EncoderModel(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = T5Stack()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
        return self.encoder(input_ids, attention_mask)


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = T5EncoderModel()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, seq, 32]
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
