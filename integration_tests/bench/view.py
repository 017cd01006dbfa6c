# ruff: noqa: T201  # a benchmark prints
"""What the page of a large model costs: to write, to open, to move about in.

    nox -s bench -- view [NODES]

Needs a Chromium on the path, or $CHROMIUM. It draws without a GPU, so frames are the slowest that a reader would see.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "packages" / "cli" / "tests"))

from browser import Tab, browser, program
from many_nodes import save_model
from onnxgen.viewing.write import write_page

MOVE = """new Promise((done) => {
  const { camera } = onnxgenView.canvas, frames = [], drawn = [];
  let last = performance.now(), left = 90;
  const step = (now) => {
    frames.push(now - last);
    drawn.push(onnxgenView.canvas.drawingTime);
    last = now;
    if (left-- === 0) return done([frames.slice(2), drawn.slice(2)]);
    if (left % 3) camera.pan(left % 2 ? 25 : -20, -30);
    else camera.zoom(left > 45 ? 1.1 : 0.9, 400, 300);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    found = program()
    if found is None:
        sys.exit("no Chromium is on the path")
    with tempfile.TemporaryDirectory() as folder, browser(found) as tab:
        model, page = save_model(Path(folder, "many.onnx"), nodes), Path(folder, "many.html")
        began = time.perf_counter()
        write_page(model, page)
        print(f"{nodes} nodes: written in {time.perf_counter() - began:.2f} s, {page.stat().st_size / 1e6:.2f} MB")
        tab.open(page)
        first = tab.run("new Promise((done) => requestAnimationFrame(() => done(performance.now())))")
        print(f"from navigation to the first frame: {first:.0f} ms")
        report(tab, "as it opens")
        began = time.perf_counter()
        for _ in range(8):
            tab.run("document.getElementById('expand').click()")
        print(f"every module opened and laid out: {time.perf_counter() - began:.2f} s")
        report(tab, "all open, whole graph")
        tab.run("onnxgenView.canvas.start()")
        report(tab, "all open, readable")


def report(tab: Tab, what: str) -> None:
    things = tab.run("onnxgenView.canvas.drawing.things.length")
    frames, drawn = tab.run(MOVE)
    print(
        f"{what} ({things} things): frames {statistics.median(frames):.1f} ms, slowest {max(frames):.1f};"
        f" drawing {statistics.median(drawn):.1f} ms, slowest {max(drawn):.1f}"
    )


if __name__ == "__main__":
    main()
