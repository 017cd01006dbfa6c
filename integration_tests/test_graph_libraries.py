"""The table in dataflow-ir's README that compares it with others says what is so."""

import importlib.util
from pathlib import Path

import pytest
from graph_libraries import LIBRARIES, ROWS

README = Path(__file__).parents[1] / "packages" / "dataflow-ir" / "README.md"


def table() -> dict[str, dict[str, bool]]:
    """The README's table: of each library, whether it can do what each row says."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.read_text("utf-8").splitlines()
        if line.startswith("|")
    ]
    head = next(row for row in rows if "sympy" in row)
    body = [row for row in rows[rows.index(head) + 2 :] if len(row) == len(head)]
    assert {cell for row in body for cell in row[1:]} == {"yes", "–"}
    return {name: {row[0]: row[at] == "yes" for row in body} for at, name in enumerate(head) if at}


def test_the_table_has_every_row_and_library() -> None:
    assert list(table()) == list(LIBRARIES)
    assert all(list(cells) == list(ROWS.values()) for cells in table().values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_cell(name: str, row: str) -> None:
    library, module = LIBRARIES[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    assert bool(getattr(library(), row)()) == table()[name][ROWS[row]]
