"""VitTorchscript, generated from vit.torchscript.onnx.

source     sha256 …; pytorch 2.13.0, opset 17
weights    weights.msgpack: 56 tensors, 32 778 parameters
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


class PatchEmbeddings(nn.Module):
    """model.vit.embeddings.patch_embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, 32, 8, stride=8)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 16, 32]
        return self.projection(image).flatten(2).transpose(1, 2)


class Embeddings(nn.Module):
    """model.vit.embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, 32))
        self.patch_embeddings = PatchEmbeddings()
        self.position_embeddings = nn.Parameter(torch.empty(1, 17, 32))

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 17, 32]
        batch = image.shape[0]
        x = self.cls_token.expand(batch, -1, -1)
        x = torch.cat([x, self.patch_embeddings(image)], dim=1)
        return x + self.position_embeddings


class Attention(nn.Module):
    """model.vit.layers.0-2.attention"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32)
        self.v_proj = nn.Linear(32, 32)
        self.o_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.o_proj(attn)


class Mlp(nn.Module):
    """model.vit.layers.0-2.mlp"""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        return self.fc2(F.gelu(self.fc1(x)))


class Layer(nn.Module):
    """model.vit.layers.0-2"""

    def __init__(self) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(32, eps=1e-12)
        self.attention = Attention()
        self.layernorm_after = nn.LayerNorm(32, eps=1e-12)
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        x = self.attention(self.layernorm_before(x)) + x
        return self.mlp(self.layernorm_after(x)) + x


class Vit(nn.Module):
    """model.vit"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.layernorm = nn.LayerNorm(32, eps=1e-12)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 17, 32]
        x = self.embeddings(image)
        for layer in self.layers:
            x = layer(x)
        return self.layernorm(x)


class Network(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.vit = Vit()
        self.classifier = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 10]
        return self.classifier(self.vit(image)[:, 0])


class VitTorchscript(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Network()

    def forward(self, image: Tensor) -> Tensor:
        # image: [batch, 3, 32, 32] -> [batch, 10]
        return self.model(image)


Model = VitTorchscript


def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("weights.msgpack"))
    with torch.device(device or "cpu"):
        model = VitTorchscript()
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
