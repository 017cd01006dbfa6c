from pathlib import Path
from typing import Any, cast

import pytest
from codegen_torch.modules.keys import KeyChange

from onnxgen.exits import printable
from onnxgen.summary import summary


class Report:
    """As much of a conversion's report as a summary reads."""

    files = (Path("out/model.py"), Path("out/weights.msgpack"))
    class_name = "ResNet"
    lines, nodes, tensors, parameters = 214, 1234, 108, 25530472
    seconds = 0.844

    def __init__(self, notes: int = 0) -> None:
        self.notes = [f"number {number}" for number in range(notes)]
        self.changed_keys = [KeyChange(("a.weight", "a.bias"), ("a.weight", "n.bias"), "it was folded")]


def said(out_dir: str = "out", *, notes: int = 0, stages: dict[str, float] | None = None) -> str:
    return summary(Path("resnet.onnx"), Path(out_dir), cast(Any, Report(notes)), stages=stages)


def test_the_whole_text() -> None:
    assert said() == (
        "resnet.onnx: 1 234 nodes, converted in 0.84 s\n"
        "  out/model.py         214 lines, class ResNet\n"
        "  out/weights.msgpack  108 tensors, 25 530 472 parameters\n"
        "\n"
        "Load it:\n"
        "  from out.model import load_model\n"
        "  model = load_model()"
    )


def test_a_few_notes_are_shown_and_the_rest_counted() -> None:
    text = said(notes=7)
    assert "  note: number 4\n  and 2 more notes, which -v shows\n" in text
    assert "number 5" not in text


def test_verbose_shows_every_note_and_stage() -> None:
    text = said(notes=7, stages={"clean": 0.0125, "lower": 0.5})
    assert "number 6" in text
    assert "Stages:\n  clean     0.013 s\n  lower     0.500 s\n" in text


def test_verbose_shows_every_key_that_is_not_the_originals() -> None:
    line = "  a.weight, a.bias: it was folded (originally a.weight, n.bias)"
    assert line in said(stages={}).splitlines()
    assert line not in said().splitlines()


@pytest.mark.parametrize("out_dir", ["a/b", "out_2"])
def test_a_folder_python_can_name(out_dir: str) -> None:
    assert f"  from {out_dir.replace('/', '.')}.model import load_model" in said(out_dir)


@pytest.mark.parametrize("out_dir", ["/somewhere/else", "resnet-50", ".", "../out", "json", "click/out"])
def test_a_folder_python_cannot_name_or_would_mistake(out_dir: str) -> None:
    assert f"Load it, in {out_dir}:\n  from model import load_model" in said(out_dir)


def test_names_cannot_steer_the_terminal() -> None:
    assert printable("Añ\x1b[2Jb\n\u202ec\t") == "Añ\\x1b[2Jb\n\\u202ec\\t"
