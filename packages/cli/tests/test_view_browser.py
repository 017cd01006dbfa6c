"""The page in a browser: it says nothing on the console, loads nothing, and links both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browser, program
from many_nodes import save_branches, save_model
from onnx_proto import save
from onnx_proto.build import graph, model, node, value
from running import DIGITS

from onnxgen.viewing.write import write_page

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium: the page was NOT tried (set $CHROMIUM)")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    found = program()
    assert found is not None
    with browser(found) as opened:
        yield opened


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "digits.html"
    write_page(DIGITS, path)
    return path


@pytest.fixture
def page(tab: Tab, digits: Path) -> Tab:
    tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    tab.open(digits)
    return tab


def number_of(page: Tab, name: str) -> int:
    found = page.run(f"onnxgenView.graph.nodes.findIndex((node) => node.name === {name!r})")
    assert found >= 0
    return int(found)


def middle_of(page: Tab, thing: int) -> tuple[float, float]:
    """Where a thing's middle is in the window."""
    x, y = page.run(
        f"""(() => {{
            const {{ canvas }} = onnxgenView, place = canvas.drawing.places.get({thing}), {{ x, y, k }} = canvas.camera;
            const {{ left, top }} = document.getElementById("canvas").getBoundingClientRect();
            return [left + (place.x + place.w / 2 - x) * k, top + (place.y + place.h / 2 - y) * k];
        }})()"""
    )
    return x, y


def marked_lines(page: Tab) -> list[int]:
    found: list[int] = page.run("[...document.querySelectorAll('.line.at')].map((line) => Number(line.id.slice(1)))")
    return found


def details(page: Tab) -> str:
    return str(page.run("document.getElementById('details').innerText"))


def first_with_line(page: Tab) -> int:
    """A node that has a line of its own, brought into sight."""
    thing = int(page.run("onnxgenView.graph.nodes.findIndex((node) => node.lines.length)"))
    page.run(f"onnxgenView.actions.choose({thing}); onnxgenView.actions.choose(null)")
    return thing


def test_it_says_nothing_and_loads_nothing(page: Tab, digits: Path) -> None:
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert page.complaints() == []
    assert page.requests() == [digits.as_uri()]


def test_a_click_on_a_node_marks_its_line(page: Tab) -> None:
    thing = first_with_line(page)
    assert marked_lines(page) == []
    page.click(*middle_of(page, thing))
    lines = page.run(f"onnxgenView.graph.nodes[{thing}].lines")
    assert marked_lines(page) == lines
    assert page.run(f"onnxgenView.graph.nodes[{thing}].op") in details(page)
    in_sight = page.run(f"document.getElementById('L{lines[0]}').getBoundingClientRect().top")
    assert 0 < in_sight < 900


def test_pointing_at_a_line_marks_its_nodes(page: Tab) -> None:
    thing = first_with_line(page)
    line = page.run(f"onnxgenView.graph.nodes[{thing}].lines")[0]
    page.run(f"document.getElementById('L{line}').scrollIntoView({{block: 'center'}})")
    x, y = page.run(
        f"(({{left, top}}) => [left + 80, top + 5])(document.getElementById('L{line}').getBoundingClientRect())"
    )
    page.mouse("mouseMoved", x, y)
    near = page.run("[...onnxgenView.canvas.near]")
    assert page.run(f"onnxgenView.graph.standIn({thing})") in near
    page.click(x, y)
    assert page.run("[...onnxgenView.canvas.chosen]") == near
    assert marked_lines(page) == [line]


def test_a_node_tells_shapes_and_weights(page: Tab) -> None:
    page.run("onnxgenView.actions.choose(onnxgenView.graph.nodes.findIndex(({op}) => op === 'Conv'))")
    told = details(page)
    assert "float32[batch, 1, 8, 8]" in told
    assert "images" in told
    assert "weight" in told
    assert page.run("document.querySelectorAll('#details .bars span').length") == 2 * 24


def test_search_finds_and_shows(page: Tab) -> None:
    page.press("/")
    assert page.run("document.activeElement.id") == "search"
    page.type("gemm")
    assert page.run("document.querySelectorAll('.result').length") > 0
    page.press("Enter")
    assert page.run("document.getElementById('results').hidden")
    assert "Gemm" in details(page)
    chosen = page.run("[...onnxgenView.canvas.chosen]")
    x, y = middle_of(page, chosen[0])
    assert 232 < x < 900
    assert 40 < y < 900


def test_a_box_opens_and_closes(page: Tab) -> None:
    count = "onnxgenView.canvas.drawing.things.length"
    page.run("document.getElementById('collapse').click()")
    before = page.run(count)
    box = page.run("onnxgenView.graph.boxes.findIndex(({path}) => path === 'layer1')")
    thing = page.run(f"onnxgenView.graph.firstBox + {box}")
    was_open = page.run(f"onnxgenView.graph.open.has({thing})")
    page.run(f"onnxgenView.outline.rows.get({thing}).querySelector('button').click()")
    assert page.run(f"onnxgenView.graph.open.has({thing})") is not was_open
    after = page.run(count)
    assert (after < before) is was_open
    page.run(f"onnxgenView.actions.toggle({thing})")
    assert page.run(count) == before


def test_every_thing_has_a_place_when_all_is_open(page: Tab) -> None:
    for _ in range(5):
        page.run("document.getElementById('expand').click()")
    hidden = page.run(
        """(({ graph, canvas }) =>
            graph.nodes.map((_, n) => n).filter((n) => !canvas.drawing.places.has(graph.standIn(n)))
        )(onnxgenView)"""
    )
    assert hidden == []
    overlapping = page.run(
        """(() => { const things = onnxgenView.canvas.drawing.things.filter(({open}) => !open);
        return things.filter((a, n) => things.slice(n + 1).some((b) =>
            a.x < b.x + b.w - 1 && b.x < a.x + a.w - 1 && a.y < b.y + b.h - 1 && b.y < a.y + a.h - 1)).length; })()"""
    )
    assert overlapping == 0
    assert page.complaints() == []


def test_the_wheel_zooms_where_the_pointer_is(page: Tab) -> None:
    before = page.run("[onnxgenView.canvas.camera.k, onnxgenView.canvas.camera.at(300, 300)]")
    left, top = page.run("(({left, top}) => [left, top])(document.getElementById('canvas').getBoundingClientRect())")
    page.mouse("mouseWheel", left + 300, top + 300, deltaX=0, deltaY=-200)
    page.wait(f"onnxgenView.canvas.camera.k > {before[0]}")
    after = page.run("onnxgenView.canvas.camera.at(300, 300)")
    assert after == pytest.approx(before[1])


@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark(page: Tab, system: str) -> None:
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": system}])
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    canvas = "onnxgenView.canvas.colours.back.match(/\\d+/g).map(Number)[0]"
    page.wait(f"{brightness} === {canvas}")
    first = page.run(brightness)
    assert (first < 100) is (system == "dark")
    page.run("document.getElementById('theme').click()")
    assert (page.run(brightness) < 100) is (system == "light")
    assert page.run(canvas) == page.run(brightness)


def test_names_are_text(tab: Tab, tmp_path: Path) -> None:
    bad = "</script><script>globalThis.owned=1</script><img src=x onerror=globalThis.owned=1>"
    nodes = [node("Relu", ["x"], [bad], name=bad), node("Sin", [bad], ["y"], name="{{script}}")]
    save(
        model(graph(nodes, [value("x", "float32", [2])], ["y"], name=bad), opset_imports=20, producer_name=bad),
        tmp_path / "bad.onnx",
    )
    write_page(tmp_path / "bad.onnx", tmp_path / "bad.html")
    tab.open(tmp_path / "bad.html")
    tab.run("onnxgenView.actions.choose(0); document.getElementById('search').value = 'script'")
    tab.run("document.getElementById('search').dispatchEvent(new Event('input'))")
    assert tab.run("globalThis.owned") is None
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert "</script><script>globalThis.owned" in details(tab)
    assert tab.complaints() == []
    assert len(tab.requests()) == 1


def test_branches_and_bodies(tab: Tab, tmp_path: Path) -> None:
    write_page(save_branches(tmp_path / "branches.onnx"), tmp_path / "branches.html")
    tab.open(tmp_path / "branches.html")
    for _ in range(3):
        tab.run("document.getElementById('expand').click()")
    places = "onnxgenView.canvas.drawing.places"
    sin = int(tab.run("onnxgenView.graph.nodes.findIndex(({op}) => op === 'Sin')"))
    box = int(
        tab.run("onnxgenView.graph.firstBox + onnxgenView.graph.boxes.findIndex(({name}) => name === 'If choice')")
    )
    assert tab.run(
        f"((a, b) => a.x > b.x && a.y > b.y && a.x + a.w < b.x + b.w && a.y + a.h < b.y + b.h)"
        f"({places}.get({sin}), {places}.get({box}))"
    )
    tab.run(f"onnxgenView.actions.choose({sin})")
    (line,) = marked_lines(tab)
    assert "torch.sin(" in tab.run(f"document.getElementById('L{line}').textContent")
    tab.run(f"onnxgenView.actions.toggle({box})")
    assert not tab.run(f"{places}.has({sin})")
    assert tab.run(f"{places}.has({box})")
    assert tab.complaints() == []


def test_many_nodes(tab: Tab, tmp_path: Path) -> None:
    write_page(save_model(tmp_path / "many.onnx", 1000), tmp_path / "many.html")
    tab.open(tmp_path / "many.html")
    assert tab.run("onnxgenView.graph.nodes.length") == 1000
    assert tab.run("onnxgenView.canvas.drawing.things.length") < 60
    for _ in range(6):
        tab.run("document.getElementById('expand').click()")
    opened = tab.run("onnxgenView.canvas.drawing.things.length")
    assert opened > 1000
    assert tab.complaints() == []
