"""Paints one picture in the manner of another, after Gatys, Ecker and Bethge, "Image Style Transfer" (2016).

The network that looks at the pictures exists only as ONNX: this script writes it first, as a stand-in for a large
one of yours, and converts it. Its filters are random, which is enough for textures (Ustyuzhaninov et al., 2016).

Usage: ``python style_transfer.py``. Needs torch, onnxscript and onnxgen; writes content.ppm, style.ppm, painted.ppm.
"""

from pathlib import Path

import onnxgen
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 64
STEPS = 120
STYLE_WEIGHT = 0.5


def main() -> None:
    torch.manual_seed(0)
    write_network(Path("features.onnx"))
    network = onnxgen.load_model("features.onnx").requires_grad_(False)

    # The blocks came back as modules, so a hook can hear what each says.
    heard: dict[str, Tensor] = {}
    for name, block in network.blocks.named_children():
        block.register_forward_hook(lambda module, inputs, output, name=name: heard.update({name: output}))

    def features(image: Tensor) -> dict[str, Tensor]:
        network(image)
        return dict(heard)

    content, style = disc(), stripes()
    wanted_content = features(content)["2"]
    wanted_style = {name: gram(value) for name, value in features(style).items()}

    painted = content.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([painted], lr=0.03)
    for step in range(STEPS + 1):
        seen = features(painted)
        content_loss = distance(seen["2"], wanted_content)
        style_loss = sum(distance(gram(seen[name]), wanted) for name, wanted in wanted_style.items())
        if step % 40 == 0:
            print(f"step {step:3}  away from content {content_loss.item():.3f}  from style {style_loss.item():.3f}")
        optimizer.zero_grad()
        (content_loss + STYLE_WEIGHT * style_loss).backward()
        optimizer.step()
        painted.data.clamp_(0, 1)
    for name, image in (("content", content), ("style", style), ("painted", painted.detach())):
        save(image, Path(f"{name}.ppm"))


class Features(nn.Module):
    """Three convolutions over images [N, 3, H, W], each looking at half the size of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.blocks(image)


def write_network(path: Path) -> None:
    network = Features().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    torch.onnx.export(network, (torch.zeros(1, 3, SIZE, SIZE),), path, verbose=False)


def gram(features: Tensor) -> Tensor:
    """Returns how the channels of features [1, C, H, W] go together, [C, C]: Gatys's description of a style."""
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def distance(actual: Tensor, wanted: Tensor) -> Tensor:
    """Returns the squared distance to what is wanted, as a part of the latter's own square."""
    return F.mse_loss(actual, wanted) / wanted.square().mean()


def disc() -> Tensor:
    """A picture to paint: a bright disc on a dark gradient, [1, 3, SIZE, SIZE] from 0 to 1."""
    down, right = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(-1, 1, SIZE), indexing="ij")
    inside = (down**2 + right**2 < 0.4).float()
    return torch.stack([0.2 + 0.7 * inside, 0.3 + 0.2 * right + 0.3 * inside, 0.4 - 0.2 * down]).clamp(0, 1)[None]


def stripes() -> Tensor:
    """A picture to learn from: diagonal stripes in two colours, [1, 3, SIZE, SIZE] from 0 to 1."""
    down, right = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    lit = ((down + right) % 12 < 6).float()
    colours = torch.tensor([[0.9, 0.7, 0.1], [0.1, 0.2, 0.5]])
    return (lit[None, None] * colours[0, :, None, None] + (1 - lit[None, None]) * colours[1, :, None, None]).float()


def save(image: Tensor, path: Path) -> None:
    """Writes an image [1, 3, H, W] in the simplest format that viewers open."""
    pixels = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    path.write_bytes(b"P6 %d %d 255\n" % (image.shape[3], image.shape[2]) + pixels.numpy().tobytes())


if __name__ == "__main__":
    main()
