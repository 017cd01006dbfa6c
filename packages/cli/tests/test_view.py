"""``onnxgen view`` without a browser: what the page says, and that it is the same every time."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from codegen_torch.report import SourceModule
from many_nodes import save_branches, save_model
from onnx_proto.build import node
from running import DIGITS

from onnxgen.commands import cli
from onnxgen.viewing import boxes as sorting
from onnxgen.viewing.boxes import sort_into_boxes
from onnxgen.viewing.source import class_lines, coloured_lines

pytestmark = pytest.mark.usefixtures("here")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["view", *map(str, arguments)])


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_writes_a_page_called_like_the_model(here: Path) -> None:
    result = run(DIGITS)
    assert result.exit_code == 0, result.output
    assert result.stdout == "digits.html\n"
    assert [path.name for path in here.iterdir()] == ["digits.html"]
    data = data_of((here / "digits.html").read_text("utf-8"))
    assert len(data["nodes"]) == 26
    assert data["boxes"][0]["cls"] == data["title"]
    assert data["weights"]["stem.weight"]["type"].startswith("float32[")
    assert len(data["weights"]["stem.weight"]["bins"]) == 24


def test_it_is_the_same_every_time_and_goes_to_stdout(here: Path) -> None:
    run(DIGITS)
    assert run(DIGITS, "-o", "-").stdout == (here / "digits.html").read_text("utf-8")


def test_without_statistics_no_weight_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr("onnxgen.viewing.data.statistics", refuse)
    result = run(DIGITS, "--no-statistics", "-o", "-")
    assert result.exit_code == 0
    assert "bins" not in data_of(result.stdout)["weights"]["stem.weight"]


def test_a_page_of_ours_is_overwritten_and_no_other(here: Path) -> None:
    assert run(DIGITS).exit_code == run(DIGITS).exit_code == 0
    (here / "digits.html").write_text("mine")
    result = run(DIGITS)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert (here / "digits.html").read_text() == "mine"
    assert run(DIGITS, "--force").exit_code == 0


def test_the_policy_lets_nothing_run_but_what_is_written_here() -> None:
    page = run(DIGITS, "-o", "-").stdout
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(scripts) == 2
    assert style is not None
    for text in (*scripts, style[1]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy[1]
    outside = re.findall(r"""(?:src|href)\s*=|url\(|@import|\bimport\(|https?://[^\s"')]+""", page)
    assert outside == []


def test_what_cannot_be_converted_is_refused(here: Path) -> None:
    (here / "bad.onnx").write_bytes(b"nothing")
    assert run("bad.onnx").exit_code == 1
    assert [path.name for path in here.iterdir()] == ["bad.onnx"]


def test_lines_and_nodes_are_linked() -> None:
    data = data_of(run(DIGITS, "-o", "-").stdout)
    assert sum(bool(each["lines"]) for each in data["nodes"]) > 10
    boxes = {box["path"]: box for box in data["boxes"]}
    assert {"class", "built", "used"} == boxes["layer1.0"]["lines"].keys() | {"used"}
    conv = next(each for each in data["nodes"] if "stem.weight" in each["keys"])
    assert conv["op"] == "Conv"
    assert data["values"][conv["in"][0]]["name"] == "images"


def test_a_large_model_begins_closed(here: Path) -> None:
    save_model(here / "many.onnx", 5000)
    page = run("many.onnx", "-o", "-").stdout
    assert len(page) < 3_000_000
    boxes = data_of(page)["boxes"]
    assert all(len(box["nodes"]) + len(box["children"]) <= sorting.LARGEST for box in boxes)
    shown = sum(len(box["nodes"]) + len(box["children"]) for box in boxes if box["open"])
    assert 5 <= shown <= sorting.READABLE


def test_what_is_too_much_to_look_at_is_grouped() -> None:
    count = 20_000
    nodes = [node("Neg", [f"v{n}"], [f"v{n + 1}"]) for n in range(count)]
    found = sort_into_boxes(nodes, range(count), [SourceModule("", "Net", tuple(range(count)))])
    assert max(len(box.nodes) + len(box.children) for box in found) <= sorting.LARGEST
    order, stack = [], [0]
    while stack:
        box = found[stack.pop()]
        order += box.nodes
        stack += reversed(box.children)
    assert order == list(range(count))


def test_nodes_without_code_go_where_they_are_used() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Cast", ["w"], ["c"]),
        node("Gemm", ["x", "c"], ["a"]),
        node("Expand", ["a", "s"], ["b"]),
        node("Reshape", ["b", "s"], ["y"]),
    ]
    modules = [
        SourceModule("", "Net", ()),
        SourceModule("block", "Block", (3,)),
        SourceModule("block.fc", "nn.Linear", (2,)),
        SourceModule("block.inner", "Inner", (4,)),
    ]
    homes = {at: box.path for box in sort_into_boxes(nodes, range(5), modules) for at in box.nodes}
    assert homes == {0: "block", 1: "block.fc", 2: "block.fc", 3: "block", 4: "block.inner"}


def test_a_node_of_two_modules_is_in_what_is_around_both() -> None:
    modules = [
        SourceModule("", "N", ()),
        SourceModule("a", "A", ()),
        SourceModule("a.0", "B", (0,)),
        SourceModule("a.1", "B", (0, 1)),
    ]
    nodes = [node("Neg", ["x"], ["m"]), node("Neg", ["m"], ["y"])]
    homes = {at: box.path for box in sort_into_boxes(nodes, range(2), modules) for at in box.nodes}
    assert homes == {0: "a", 1: "a.1"}


def test_what_is_inside_of_nodes_is_in_boxes_of_their_own(here: Path) -> None:
    save_branches(here / "branches.onnx")
    data = data_of(run("branches.onnx", "-o", "-").stdout)
    nodes, boxes, values = data["nodes"], data["boxes"], [each["name"] for each in data["values"]]

    def inside(name: str) -> list[str]:
        (box,) = (box for box in boxes if box["name"] == name)
        return [nodes[number]["op"] for number in box["nodes"]]

    assert [inside(name) for name in ("", "If choice", "then_branch", "else_branch")] == [
        ["Abs", "Neg"],
        ["If"],
        ["Sin"],
        ["Cos"],
    ]
    assert [inside(name) for name in ("Scan", "body")] == [["Scan"], ["Add", "Identity"]]
    (choice,) = (box for box in boxes if box["name"] == "If choice")
    assert [boxes[child]["name"] for child in choice["children"]] == ["then_branch", "else_branch"]
    by_op = {each["op"]: each for each in nodes}
    assert {values[number] for number in by_op["If"]["more"]} == {"t in then_branch of z", "t in else_branch of z"}
    assert [values[number] for number in by_op["Sin"]["in"]] == ["h"]
    # What a loop carries begins with what it is given; an element depends on its list.
    assert [values[number] for number in by_op["Add"]["in"]] == ["h", "e in body of s"]
    assert [values[number] for number in by_op["Add"]["more"]] == ["x"]
    lines = run_and_lines(here)
    for op, text in (("Sin", "torch.sin("), ("Cos", "torch.cos(")):
        (line,) = by_op[op]["lines"]
        assert text in lines[line - 1]
    assert by_op["Add"]["lines"] == by_op["Scan"]["lines"] != []
    assert [each["inside"] for each in (by_op["If"], by_op["Sin"])] == [False, True]


def run_and_lines(here: Path) -> list[str]:
    assert CliRunner().invoke(cli, ["convert", "branches.onnx", "-o", "out"]).exit_code == 0
    return (here / "out" / "model.py").read_text("utf-8").splitlines()


SOURCE = """class Block(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Linear(4, 4),
            nn.ReLU(),
        )


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(2), persistent=False)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.heads = nn.ModuleDict(
            {
                "a": nn.Linear(4, 1),
            }
        )
        self.many = nn.ModuleList(Block() for _ in range(9))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.heads["a"](x) + self.mask
"""


def test_where_members_are_built_and_used() -> None:
    lines = class_lines(SOURCE)
    assert (lines["Block"].line, lines["Block"].line_of("0"), lines["Block"].line_of("1")) == (1, 4, 5)
    net = lines["Net"]
    asked = ("mask", "blocks.1", "heads.a", "many.7", "other")
    assert [net.line_of(path) for path in asked] == [12, 13, 16, 19, None]
    assert net.used == {"blocks": 22, "heads": 24, "mask": 24}


def test_coloured_lines_are_the_lines() -> None:
    text = '"""<b> &\n\ntwo"""\n\nx = "é"  # done\n'
    lines = coloured_lines(text.removesuffix("\n"))
    plain = [html.unescape(re.sub(r"<[^>]*>", "", line)) for line in lines]
    assert plain == text.splitlines()
    assert "<b>" not in lines[0]
    assert all(line.count("<span") == line.count("</span>") for line in lines)


def test_vendored_code_has_its_licence() -> None:
    folder = Path(sorting.__file__).parent / "vendor"
    assert {path.name for path in folder.iterdir()} == {"README.md", "dagre"}
    assert "Permission is hereby granted" in (folder / "dagre" / "LICENSE").read_text()
