"""Gives a segmentation model that exists only as ONNX a further class.

A small U-Net learns to find discs and is exported: from then on only the ONNX file is used, as if it had come from
somewhere else. Converted, it gets a new last layer and learns to tell discs from squares.

Usage: ``python segmentation.py``. Needs torch, onnxscript and onnxgen; takes half a minute on a CPU.
"""

from pathlib import Path

import onnxgen
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 32


def main() -> None:
    torch.manual_seed(0)
    write_model(Path("discs.onnx"))

    model = onnxgen.load_model("discs.onnx", "discs", force=True)
    model.head = nn.Conv2d(model.head.in_channels, 3, 1)  # background, disc, square
    print(f"before: mean IoU {mean_iou(model, classes=3):.2f}")
    train(model, steps=300, classes=3)
    print(f"after:  mean IoU {mean_iou(model, classes=3):.2f}")


class Block(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """From images [N, 1, H, W] to logits [N, 2, H, W] of background and disc."""

    def __init__(self) -> None:
        super().__init__()
        self.down = Block(1, 16)
        self.bottom = Block(16, 32)
        self.up = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.merge = Block(32, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        skip = self.down(image)
        x = self.bottom(F.max_pool2d(skip, 2))
        return self.head(self.merge(torch.cat([skip, self.up(x)], dim=1)))


def write_model(path: Path) -> None:
    model = UNet()
    train(model, steps=100, classes=2)
    batch = torch.export.Dim("batch")
    example = torch.zeros(2, 1, SIZE, SIZE)
    torch.onnx.export(model.eval(), (example,), path, dynamic_shapes=({0: batch},), verbose=False)


def scenes(count: int, classes: int) -> tuple[Tensor, Tensor]:
    """Draws a disc and a square on noise: images [count, 1, SIZE, SIZE], and each pixel's class [count, SIZE, SIZE].

    With two classes a square is part of the background.
    """
    down, right = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    images = torch.rand(count, 1, SIZE, SIZE) * 0.5
    labels = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
    for image, label in zip(images, labels, strict=True):
        (disc_y, disc_x), (square_y, square_x) = torch.randint(6, SIZE - 6, (2, 2)).tolist()
        square = ((down - square_y).abs() < 6) & ((right - square_x).abs() < 6)
        disc = (down - disc_y) ** 2 + (right - disc_x) ** 2 < 40
        image[0, square | disc] += 0.5
        label[square] = 2 if classes == 3 else 0
        label[disc] = 1
    return images, labels


def train(model: nn.Module, steps: int, classes: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    model.train()
    for _ in range(steps):
        images, labels = scenes(16, classes)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def mean_iou(model: nn.Module, classes: int) -> float:
    """Returns the intersection over union of what is said and what is so, averaged over the classes."""
    images, labels = scenes(64, classes)
    said = model.eval()(images).argmax(1)
    pairs = [(said == number, labels == number) for number in range(classes)]
    return sum(((a & b).sum() / (a | b).sum()).item() for a, b in pairs) / classes


if __name__ == "__main__":
    main()
