"""First, generated from whisper.dynamo.onnx.

source     sha256 …; pytorch 2.13.0+cpu, opset 20
weights    weights.msgpack: 90 tensors, 53 600 parameters
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


class WhisperAttention(nn.Module):
    """model.model.encoder.layers.0-1.self_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32, bias=False)
        self.v_proj = nn.Linear(32, 32)
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 32, 32] -> [batch, 32, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.out_proj(attn)


class WhisperEncoderLayer(nn.Module):
    """model.model.encoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(32)
        self.self_attn = WhisperAttention()
        self.final_layer_norm = nn.LayerNorm(32)
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 32, 32] -> [batch, 32, 32]
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class WhisperEncoder(nn.Module):
    """model.model.encoder"""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(16, 32, 3, padding=1)
        self.conv2 = nn.Conv1d(32, 32, 3, stride=2, padding=1)
        self.embedding = nn.Parameter(torch.empty(32, 32))
        self.layers = nn.ModuleList(WhisperEncoderLayer() for _ in range(2))
        self.layer_norm = nn.LayerNorm(32)

    def forward(self, input_features: Tensor) -> Tensor:
        # input_features: [batch, 16, 64] -> [batch, 32, 32]
        x = F.gelu(self.conv2(F.gelu(self.conv1(input_features))))
        x = x.transpose(1, 2) + self.embedding
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class WhisperAttention2(nn.Module):
    """model.model.decoder.layers.0-1.self_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32, bias=False)
        self.v_proj = nn.Linear(32, 32)
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], mask: [batch, 1, seq, seq] -> [batch, seq, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
        return self.out_proj(attn.flatten(2))


class WhisperAttention3(nn.Module):
    """model.model.decoder.layers.0-1.encoder_attn"""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(32, 32)
        self.k_proj = nn.Linear(32, 32, bias=False)
        self.v_proj = nn.Linear(32, 32)
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        # x: [batch, seq, 32], out: [batch, 32, 32] -> [batch, seq, 32]
        q = self.q_proj(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k = self.k_proj(out).unflatten(-1, (4, 8)).transpose(1, 2)
        v = self.v_proj(out).unflatten(-1, (4, 8)).transpose(1, 2)
        attn = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.out_proj(attn)


class WhisperDecoderLayer(nn.Module):
    """model.model.decoder.layers.0-1"""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(32)
        self.self_attn = WhisperAttention2()
        self.encoder_attn_layer_norm = nn.LayerNorm(32)
        self.encoder_attn = WhisperAttention3()
        self.final_layer_norm = nn.LayerNorm(32)
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 32)

    def forward(self, x: Tensor, out: Tensor, mask: Tensor) -> Tensor:
        # x: [batch, seq, 32], out: [batch, 32, 32], mask: [batch, 1, seq, seq]
        # -> [batch, seq, 32]
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        x = x + self.encoder_attn(self.encoder_attn_layer_norm(x), out)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class WhisperDecoder(nn.Module):
    """model.model.decoder"""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(99, 32)
        self.embed_positions = nn.Embedding(64, 32)
        self.layers = nn.ModuleList(WhisperDecoderLayer() for _ in range(2))
        self.layer_norm = nn.LayerNorm(32)

    def forward(
        self, x: Tensor, decoder_input_ids: Tensor, decoder_attention_mask: Tensor
    ) -> Tensor:
        # x: [batch, 32, 32], decoder_input_ids: [batch, seq],
        # decoder_attention_mask: [batch, seq] -> [batch, seq, 32]
        batch = x.shape[0]
        seq = decoder_input_ids.shape[1]
        positions = torch.arange(seq, device=x.device)
        positions2 = positions.unsqueeze(0)
        out = self.embed_positions(positions2.repeat(batch, 1))
        mask = decoder_attention_mask.bool()[:, None, None, :]
        mask = (positions2 <= positions.unsqueeze(1)) & mask
        mask = torch.where(mask, 0.0, torch.finfo(x.dtype).min).to(x.dtype)
        out = self.embed_tokens(decoder_input_ids) + out
        for layer in self.layers:
            out = layer(out, x, mask)
        return self.layer_norm(out)


class WhisperModel(nn.Module):
    """model.model"""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = WhisperEncoder()
        self.decoder = WhisperDecoder()

    def forward(
        self,
        input_features: Tensor,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor,
    ) -> Tensor:
        # input_features: [batch, 16, 64], decoder_input_ids: [batch, seq],
        # decoder_attention_mask: [batch, seq] -> [batch, seq, 32]
        x = self.encoder(input_features)
        return self.decoder(x, decoder_input_ids, decoder_attention_mask)


class WhisperForConditionalGeneration(nn.Module):
    """model"""

    def __init__(self) -> None:
        super().__init__()
        self.model = WhisperModel()
        self.proj_out = nn.Linear(32, 99, bias=False)

    def forward(
        self,
        input_features: Tensor,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor,
    ) -> Tensor:
        # input_features: [batch, 16, 64], decoder_input_ids: [batch, seq],
        # decoder_attention_mask: [batch, seq] -> [batch, seq, 99]
        x = self.model(input_features, decoder_input_ids, decoder_attention_mask)
        return self.proj_out(x)


class First(nn.Module):
    output_names = ("output",)

    def __init__(self) -> None:
        super().__init__()
        self.model = WhisperForConditionalGeneration()
        self.model.proj_out.weight = self.model.model.decoder.embed_tokens.weight

    def forward(
        self,
        input_features: Tensor,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor,
    ) -> Tensor:
        # input_features: [batch, 16, 64], decoder_input_ids: [batch, seq],
        # decoder_attention_mask: [batch, seq] -> [batch, seq, 99]
        return self.model(input_features, decoder_input_ids, decoder_attention_mask)


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
