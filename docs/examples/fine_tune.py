"""Teaches a model that exists only as ONNX something new: a reader of digits learns to tell shapes.

Usage: ``python fine_tune.py [FOLDER]``, after ``onnxgen convert digits.onnx -o FOLDER`` (default: digits).
Needs torch and what was generated. The data is drawn here; it takes some seconds on a CPU.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, sys.argv[1] if len(sys.argv) > 1 else "digits")
from model import load_model

SHAPES = ("square", "cross", "diagonal", "frame")


def main() -> None:
    torch.manual_seed(0)
    images, labels = drawings(512)
    tested, answers = drawings(256)

    model = load_model()
    # The layers have the names they had in the original: what is to be replaced can be named.
    model.head = nn.Linear(model.head.in_features, len(SHAPES))

    model.requires_grad_(False)
    model.head.requires_grad_(True)
    train(model, images, labels, steps=100, rate=0.02)
    print(f"the new head alone:  {accuracy(model, tested, answers):.0%} of {len(SHAPES)} shapes told")

    model.requires_grad_(True)
    train(model, images, labels, steps=100, rate=0.002)
    print(f"all layers trained:  {accuracy(model, tested, answers):.0%}")
    torch.save(model.state_dict(), "shapes.pt")


def drawings(count: int) -> tuple[Tensor, Tensor]:
    """Draws shapes on noisy paper: images [count, 1, 8, 8] from 0 to 1, and which shape each is [count]."""
    square = torch.zeros(5, 5)
    square[1:4, 1:4] = 1
    cross = torch.zeros(5, 5)
    cross[2, :] = cross[:, 2] = 1
    frame = torch.ones(5, 5)
    frame[1:4, 1:4] = 0
    shapes = torch.stack([square, cross, torch.eye(5), frame])
    labels = torch.randint(len(SHAPES), (count,))
    images = torch.rand(count, 1, 8, 8) * 0.3
    for image, label in zip(images, labels, strict=True):
        top, left = torch.randint(4, (2,)).tolist()
        ink = 0.5 + 0.5 * torch.rand(())
        image[0, top : top + 5, left : left + 5] += ink * shapes[label]
    return images.clamp(max=1), labels


def train(model: nn.Module, images: Tensor, labels: Tensor, steps: int, rate: float) -> None:
    """Takes steps in mixed precision, which on a GPU saves memory and time and on a CPU does no harm."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    model.train()
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        with torch.autocast(images.device.type, torch.bfloat16):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    main()
