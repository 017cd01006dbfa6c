"""BertTorchscript, generated from bert.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 57 tensors, 32 131 parameters
generated  by onnxgen 0.1.0
"""

import math
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Embeddings(nn.Module):
    """model.bert.embeddings"""

    table: Tensor
    table2: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(99, 32)
        self.register_buffer(
            "table", torch.zeros(1, 64, dtype=torch.int64), persistent=False
        )
        self.register_buffer(
            "table2", torch.arange(64).reshape(1, 64), persistent=False
        )
        self.token_type_embeddings = nn.Embedding(2, 32)
        self.position_embeddings = nn.Embedding(64, 32)
        self.LayerNorm = nn.LayerNorm(32, eps=1e-12)

    def forward(self, input_ids: Tensor) -> Tensor:
        # input_ids: [batch, seq] -> [batch, seq, 32]
        batch, seq = input_ids.shape
        x = self.table2[:, :seq]
        index = expand(torch.gather(self.table, 1, x), (batch, seq))
        out = self.word_embeddings(input_ids) + self.token_type_embeddings(index)
        return self.LayerNorm(out + self.position_embeddings(x))


class Self(nn.Module):
    """model.bert.encoder.layer.0-2.attention.self"""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(32, 32)
        self.key = nn.Linear(32, 32)
        self.value = nn.Linear(32, 32)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, 1, seq] -> [batch, seq, 32]
        q = self.query(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.key(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.value(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
        return attn.flatten(2)


class Output(nn.Module):
    """model.bert.encoder.layer.0-2.attention.output,
    model.bert.encoder.layer.0-2.output
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, 32)
        self.LayerNorm = nn.LayerNorm(32, eps=1e-12)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        # x: [batch, seq, in_features], residual: [batch, seq, 32] -> [batch, seq, 32]
        return self.LayerNorm(self.dense(x) + residual)


class Attention(nn.Module):
    """model.bert.encoder.layer.0-2.attention"""

    def __init__(self) -> None:
        super().__init__()
        self.self = Self()
        self.output = Output(32)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, 1, seq] -> [batch, seq, 32]
        return self.output(self.self(x, mask), x)


class Intermediate(nn.Module):
    """model.bert.encoder.layer.0-2.intermediate"""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(32, 64)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, seq, 64]
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    """model.bert.encoder.layer.0-2"""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.intermediate = Intermediate()
        self.output = Output(64)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, 1, seq] -> [batch, seq, 32]
        attention = self.attention(x, mask)
        return self.output(self.intermediate(attention), attention)


class Encoder(nn.Module):
    """model.bert.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer() for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, 1, seq] -> [batch, seq, 32]
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Pooler(nn.Module):
    """model.bert.pooler"""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, seq, 32] -> [batch, 32]
        return torch.tanh(self.dense(x[:, 0]))


class Bert(nn.Module):
    """model.bert"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = Encoder()
        self.pooler = Pooler()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, 32]
        mask = attention_mask.bool()[:, None, None, :]
        return self.pooler(self.encoder(self.embeddings(input_ids), mask))


class Network(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.bert = Bert()
        self.classifier = nn.Linear(32, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, 3]
        return self.classifier(self.bert(input_ids, attention_mask))


class BertTorchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Network()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, 3]
        return self.model(input_ids, attention_mask)


Model = BertTorchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = BertTorchscript()
    if torch.device(device or "cpu").type == "meta":
        return model.to(dtype=dtype).eval()
    tensors = load_weights(path, None if weights else "…")
    model.to(dtype=dtype).load_state_dict(tensors, strict=True)
    return model.eval()


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast to a shape, where a size may be 1 on either side."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape)))


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
