"""Trains the digits model of the demo and exports it: digits.onnx, and digits_samples.npz with what it said.

Needs torch, onnx, onnxscript and scikit-learn, whose 1 797 handwritten digits it learns; takes half a minute.
The two files beside this script came out of it; `nox -s demo` reads them.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

HERE = Path(__file__).parent
EPOCHS = 40
TESTED = 360  # a fifth of the images is kept for the test


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.conv1(x))
        return F.relu(self.conv2(out) + x)


class DigitsNet(nn.Module):
    """Reads digits of 8 × 8 pixels: [N, 1, 8, 8], from 0 (paper) to 1 (ink), to logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.layer1 = nn.Sequential(ResidualBlock(16), ResidualBlock(16))
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.layer2 = nn.Sequential(ResidualBlock(32), ResidualBlock(32))
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.layer1(F.relu(self.stem(images)))
        x = self.layer2(F.relu(self.down(x)))
        return self.head(x.mean((2, 3)))


def digits() -> tuple[Tensor, Tensor]:
    """Returns all images [1797, 1, 8, 8] and their labels [1797], shuffled under the current seed."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    order = torch.randperm(len(labels))
    return images[order], labels[order]


def train(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    batches = -(-len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=EPOCHS * batches)
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}/{EPOCHS}  loss {loss.item():.4f}")


def export(model: nn.Module, image: Tensor, path: Path) -> None:
    """Writes the model as ONNX, at any batch size, without the traces of the machine it was exported on."""
    torch.onnx.export(
        model,
        (image.expand(2, -1, -1, -1),),
        path,
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=65536)},),
        external_data=False,
        verbose=False,
    )
    exported = onnx.load(path)
    for node in exported.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.checker.check_model(exported, full_check=True)
    onnx.save(exported, path)


def main() -> None:
    torch.manual_seed(0)
    images, labels = digits()
    model = DigitsNet()
    train(model, images[TESTED:], labels[TESTED:])

    model.eval()
    with torch.no_grad():
        outputs = model(images[:TESTED])
    accuracy = (outputs.argmax(1) == labels[:TESTED]).float().mean().item()
    print(f"accuracy on the {TESTED} digits of the test: {accuracy:.1%}")
    if accuracy <= 0.97:
        raise SystemExit("too few to be worth exporting")

    export(model, images[:1], HERE / "digits.onnx")
    # The first of each digit in the test, with what the original made of it.
    chosen = [int((labels[:TESTED] == digit).nonzero()[0]) for digit in range(10)]
    np.savez_compressed(
        HERE / "digits_samples.npz",
        images=images[chosen].numpy(),
        labels=labels[chosen].numpy(),
        logits=outputs[chosen].numpy(),
    )


if __name__ == "__main__":
    main()
