"""First, generated from clip.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 77 tensors, 47 840 parameters
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


class CLIPTextEmbeddings(nn.Module):
    """model.text_model.embeddings"""

    position_ids: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(99, 32)
        self.register_buffer(
            "position_ids", torch.arange(64).reshape(1, 64), persistent=False
        )
        self.position_embedding = nn.Embedding(64, 32)

    def forward(self, input_ids: Tensor) -> Tensor:
        # input_ids: [batch, seq] -> [batch, seq, 32]
        seq = input_ids.shape[1]
        x = self.position_embedding(self.position_ids[:, :seq])
        return self.token_embedding(input_ids) + x


class CLIPAttention(nn.Module):
    """model.text_model.encoder.layers.0-1.self_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32)
        self.v_proj = nn.Linear(32, 32)
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
        return self.out_proj(attn.flatten(2))


class QuickGELUActivation(nn.Module):
    """model.text_model.encoder.layers.0-1.mlp.activation_fn,
    model.vision_model.encoder.layers.0-1.mlp.activation_fn
    """

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, 64] -> [batch, *, 64]
        return x * torch.sigmoid(x * 1.702)


class CLIPMLP(nn.Module):
    """model.text_model.encoder.layers.0-1.mlp,
    model.vision_model.encoder.layers.0-1.mlp
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.activation_fn = QuickGELUActivation()
        self.fc2 = nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, *, 32] -> [batch, *, 32]
        return self.fc2(self.activation_fn(self.fc1(x)))


class CLIPEncoderLayer(nn.Module):
    """model.text_model.encoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(32)
        self.self_attn = CLIPAttention()
        self.layer_norm2 = nn.LayerNorm(32)
        self.mlp = CLIPMLP()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class CLIPEncoder(nn.Module):
    """model.text_model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CLIPEncoderLayer() for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        mask = torch.where(mask, 0.0, torch.finfo(x.dtype).min).to(x.dtype)
        for layer in self.layers:
            x = layer(x, mask)
        return x


class CLIPTextModel(nn.Module):
    """model.text_model"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = CLIPTextEmbeddings()
        self.encoder = CLIPEncoder()
        self.final_layer_norm = nn.LayerNorm(32)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # input_ids: [batch, seq], attention_mask: [batch, seq] -> [batch, 32]
        batch, seq = input_ids.shape
        positions = torch.arange(seq, device=input_ids.device)
        mask = positions.unsqueeze(0) <= positions.unsqueeze(1)
        mask = mask & attention_mask.bool()[:, None, None, :]
        x = self.encoder(self.embeddings(input_ids), mask)
        positions = torch.arange(batch, device=input_ids.device)
        mask = (input_ids.int() == 98).int().argmax(-1)
        return self.final_layer_norm(x)[positions, mask]


class CLIPVisionEmbeddings(nn.Module):
    """model.vision_model.embeddings"""

    def __init__(self) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(32))
        self.patch_embedding = nn.Conv2d(3, 32, 8, stride=8, bias=False)
        self.embedding = nn.Parameter(torch.empty(1, 17, 32))

    def forward(self, pixel_values: Tensor) -> Tensor:
        # pixel_values: [batch, 3, 32, 32] -> [batch, 17, 32]
        batch = pixel_values.shape[0]
        x = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(batch, 1, -1), x], dim=1)
        return x + self.embedding


class CLIPAttention2(nn.Module):
    """model.vision_model.encoder.layers.0-1.self_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32)
        self.v_proj = nn.Linear(32, 32)
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.out_proj(attn)


class CLIPEncoderLayer2(nn.Module):
    """model.vision_model.encoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(32)
        self.self_attn = CLIPAttention2()
        self.layer_norm2 = nn.LayerNorm(32)
        self.mlp = CLIPMLP()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class CLIPEncoder2(nn.Module):
    """model.vision_model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CLIPEncoderLayer2() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 17, 32] -> [batch, 17, 32]
        for layer in self.layers:
            x = layer(x)
        return x


class CLIPVisionModel(nn.Module):
    """model.vision_model"""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = CLIPVisionEmbeddings()
        self.pre_layrnorm = nn.LayerNorm(32)
        self.encoder = CLIPEncoder2()
        self.post_layernorm = nn.LayerNorm(32)

    def forward(self, pixel_values: Tensor) -> Tensor:
        # pixel_values: [batch, 3, 32, 32] -> [batch, 32]
        x = self.encoder(self.pre_layrnorm(self.embeddings(pixel_values)))[:, 0]
        return self.post_layernorm(x)


class CLIPModel(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.text_model = CLIPTextModel()
        self.text_projection = nn.Linear(32, 24, bias=False)
        self.vision_model = CLIPVisionModel()
        self.visual_projection = nn.Linear(32, 24, bias=False)

    def forward(
        self, input_ids: Tensor, pixel_values: Tensor, attention_mask: Tensor
    ) -> Tensor:
        # input_ids: [batch, seq], pixel_values: [batch, 3, 32, 32],
        # attention_mask: [batch, seq] -> [batch, batch]
        x = self.text_projection(self.text_model(input_ids, attention_mask))
        out = self.visual_projection(self.vision_model(pixel_values))
        out = (out / (out**2.0).sum(-1, keepdim=True) ** 0.5).transpose(0, 1)
        x = (x / (x**2.0).sum(-1, keepdim=True) ** 0.5) @ out * 14.856382
        return x.transpose(0, 1)


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = CLIPModel()

    def forward(
        self, input_ids: Tensor, pixel_values: Tensor, attention_mask: Tensor
    ) -> Tensor:
        # input_ids: [batch, seq], pixel_values: [batch, 3, 32, 32],
        # attention_mask: [batch, seq] -> [batch, batch]
        return self.model(input_ids, pixel_values, attention_mask)


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
