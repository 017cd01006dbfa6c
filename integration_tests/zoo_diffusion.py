"""A small U-Net that denoises images, as diffusion models use them: ResBlocks, attention, an embedding of the step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Sines and cosines of the step, at frequencies from 1 down to 1/10000, through a small network."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, outputs)
        self.linear_2 = nn.Linear(outputs, outputs)

    def forward(self, steps: Tensor) -> Tensor:
        half = self.width // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=steps.device) / half)
        angles = steps[:, None].float() * frequencies[None, :]
        embedding = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
        return self.linear_2(F.silu(self.linear_1(embedding)))


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedded: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(4, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedded, outputs)
        self.norm2 = nn.GroupNorm(4, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(F.silu(embedding))[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class AttentionBlock(nn.Module):
    """Self-attention over the pixels of an image."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(4, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        h = self.group_norm(x).view(batch, channels, height * width).transpose(1, 2)
        q, k, v = (
            layer(h).view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, -1, channels)
        return x + self.to_out(h).transpose(1, 2).view(batch, channels, height, width)


class Denoiser(nn.Module):
    """Predicts the noise in an image at a step: one level down, one up."""

    def __init__(self) -> None:
        super().__init__()
        self.time_embedding = TimeEmbedding(16, 32)
        self.conv_in = nn.Conv2d(3, 16, 3, padding=1)
        self.down1 = ResBlock(16, 16, 32)
        self.downsample = nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.down2 = ResBlock(16, 32, 32)
        self.mid_block1 = ResBlock(32, 32, 32)
        self.mid_attention = AttentionBlock(32, 4)
        self.mid_block2 = ResBlock(32, 32, 32)
        self.up2 = ResBlock(64, 32, 32)
        self.upsample = nn.Conv2d(32, 32, 3, padding=1)
        self.up1 = ResBlock(48, 16, 32)
        self.conv_norm_out = nn.GroupNorm(4, 16)
        self.conv_out = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, image: Tensor, steps: Tensor) -> Tensor:
        embedding = self.time_embedding(steps)
        first = self.down1(self.conv_in(image), embedding)
        second = self.down2(self.downsample(first), embedding)
        x = self.mid_block1(second, embedding)
        x = self.mid_block2(self.mid_attention(x), embedding)
        x = self.up2(torch.cat([x, second], dim=1), embedding)
        x = self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = self.up1(torch.cat([x, first], dim=1), embedding)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
