"""What is said of a verification: the text, and the page."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

from onnxgen.verification.compare import Comparison, Statistics
from onnxgen.verification.page import page
from onnxgen.verification.result import Histogram, Inner, Output, Run, Verification
from onnxgen.verification.text import report
from onnxgen.verification.verify import as_dict

STATISTICS = Statistics("float32", (2, 3), 0.5, 1.0, -1.0, 2.0, 1)
GOOD = Comparison(True, 2e-7, 1e-4, "", STATISTICS, STATISTICS, ((0, 1), 1.0, 1.0))
BAD = Comparison(False, 0.25, 1e-4, "", STATISTICS, STATISTICS, ((0, 1), 1.0, 1.5))
WORSE = Comparison(False, math.inf, 1e-4, "NaN or infinity in other places", STATISTICS, STATISTICS)
EQUAL = Comparison(True, 0.0, 0.0, "", STATISTICS, STATISTICS)
HOSTILE = "<script>alert('&\"')</script>\x1b[31m"


def inner(name: str, node: int, comparison: Comparison) -> Inner:
    return Inner(
        name, node, "Conv", f"n{node}", 10 + node, f"x = self.{name}(x)", name, (f"{name}.weight",), comparison
    )


def made(*comparisons: Comparison, output: Comparison | None = None, name: str = "y") -> Verification:
    values = [inner(f"v{number}", number, each) for number, each in enumerate(comparisons)]
    histogram = Histogram("v1", (0.0, 0.5, 1.0), (3, 1), (2, 2))
    runs = [Run("batch 2", [Output(name, output or GOOD)], inner=values, histogram=histogram)]
    runs += [Run("batch 3", skipped="it says no"), Run("batch 1", [Output("z", None, "RandomNormal")])]
    return Verification(Path("m.onnx"), Path("m"), "an engine", "made up, seed 0", "same", "as written", 9, runs)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]


def test_the_first_value_that_differs_is_shown() -> None:
    text = report(made(GOOD, BAD, WORSE, output=BAD))
    assert "First value that differs, at batch 2" in text
    assert "  value     v1\n" in text
    assert "  node      1, Conv, n1\n" in text
    assert "  source    model.py:11: x = self.v1(x)\n" in text
    assert "  worst     element [0, 1] is 1, where the file has 1.5\n" in text
    assert "skipped: it says no" in text
    assert "not comparable: RandomNormal is random" in text
    assert text.endswith("\nThe generated model does not compute what the file says.")


def test_a_good_model_is_told_shortly() -> None:
    result = made(GOOD, EQUAL)
    result.runs.pop()
    text = report(result)
    assert "First value" not in text
    assert "2 values  all agree  largest error 2e-07 at v0 (model.py:10)" in text
    assert text.endswith("\nThe generated model computes what the file says.")
    assert "Every value, at batch 2" in report(result, everything=True)


def test_data_is_strict_json() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json.dumps(as_dict(made(GOOD, WORSE)), default=str, allow_nan=False)
    told = json.loads(text, parse_constant=refuse)
    assert told["agrees"] is True
    assert told["runs"][0]["inner"][1]["comparison"]["error"] is None
    assert told["runs"][0]["inner"][1]["comparison"]["reason"] == "NaN or infinity in other places"


def test_a_page_stands_alone() -> None:
    text = page(made(GOOD, BAD, WORSE, EQUAL, output=BAD))
    tags = Tags(text)
    assert tags.links == []
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert "http" not in text
    assert tags.names.count("svg") == 2
    assert "prefers-color-scheme: dark" in text
    assert text.count('class="differs"') == 2
    assert text.count('class="agrees"') == 2


def test_plots_are_well_formed_and_stay_inside() -> None:
    for comparisons in ((GOOD,), (GOOD, BAD, WORSE), (EQUAL, EQUAL)):
        text = page(made(*comparisons))
        for start in [i for i in range(len(text)) if text.startswith("<svg", i)]:
            svg = ET.fromstring(text[start : text.index("</svg>", start) + 6])
            for circle in svg.iter("circle"):
                assert 0 <= float(circle.attrib["cx"]) <= 860
                assert 0 <= float(circle.attrib["cy"]) <= 300


def test_names_of_a_file_are_text() -> None:
    result = made(GOOD, BAD, output=BAD, name=HOSTILE)
    result.runs[0].inner[1] = inner(HOSTILE, 1, BAD)
    text = page(result)
    assert "script" not in Tags(text).names
    assert "\x1b" not in "\n".join(report(result).split("\n")[8:])
