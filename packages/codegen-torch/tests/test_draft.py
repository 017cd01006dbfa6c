"""Files get their names together or not at all, and a killed process leaves nothing for long."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codegen_torch.draft import Draft, atomic

PLACES = ["out", "deep/out", "new/deep/out"]


@pytest.fixture(params=["nameless", "hidden"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether files have no names before they are published, or hidden ones, as some systems and file systems want."""
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no nameless files")
    return str(request.param)


def first(place: str) -> str:
    return place.partition("/")[0]


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("place", PLACES)
def test_files_appear_when_all_went_well(tmp_path: Path, place: str) -> None:
    (tmp_path / "deep").mkdir()
    out = tmp_path / place
    with atomic(out) as draft:
        draft.path("a").write_text("1")
        draft.path("b").write_text("2")
        assert not out.exists()
    assert texts(out) == {"a": "1", "b": "2"}
    assert {path.name for path in tmp_path.iterdir()} == {"deep", first(place)}


def test_files_without_names_do_not_show(tmp_path: Path) -> None:
    with atomic(tmp_path / "out") as draft:
        draft.path("a").write_text("1")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["", *PLACES])
def test_nothing_changes_when_something_went_wrong(tmp_path: Path, kind: str, place: str) -> None:
    (tmp_path / "a").write_text("old")

    def write() -> None:
        with atomic(tmp_path / place) as draft:
            draft.path("a").write_text("new")
            assert len(list(tmp_path.iterdir())) == (1 if kind == "nameless" else 2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert texts(tmp_path) == {"a": "old"}


@pytest.mark.usefixtures("kind")
def test_what_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "theirs").write_text("kept")
    with atomic(tmp_path) as draft:
        draft.path("a").write_text("new")
        draft.path("b").write_text("more")
        assert (tmp_path / "a").read_text() == "old"
        assert not (tmp_path / "b").exists()
    assert texts(tmp_path) == {"a": "new", "b": "more", "theirs": "kept"}


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("place", PLACES)
def test_somebody_else_may_make_the_folder_meanwhile(tmp_path: Path, place: str) -> None:
    out = tmp_path / place
    with atomic(out) as draft:
        draft.path("a").write_text("new")
        out.mkdir(parents=True)
        (out / "a").write_text("old")
        (out / "theirs").write_text("kept")
    assert texts(out) == {"a": "new", "theirs": "kept"}
    assert [path.name for path in tmp_path.iterdir()] == [first(place)]


@pytest.mark.usefixtures("kind")
def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("real")
    for text in "12":
        with atomic(tmp_path / "out") as draft:
            draft.path("a").write_text(text)
        assert texts(tmp_path / "real") == {"a": text}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "real"}


@pytest.mark.usefixtures("kind")
def test_what_can_be_foreseen_does_not_stop_half_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    draft = Draft(tmp_path)
    draft.path("a").write_text("new")
    draft.path("b").write_text("new")
    with pytest.raises(IsADirectoryError, match="b"):
        draft.publish()
    draft.close()
    assert (tmp_path / "a").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


@pytest.mark.usefixtures("kind")
def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for place in ("out", "out/deeper"):
        with pytest.raises(NotADirectoryError), atomic(tmp_path / place) as draft:
            draft.path("a").write_text("new")
    assert texts(tmp_path) == {"out": "mine"}


@pytest.mark.usefixtures("kind")
def test_a_file_system_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "")
        return opened(path, flags, mode)

    if hasattr(os, "O_TMPFILE"):
        monkeypatch.setattr(os, "open", refuse)
    with atomic(tmp_path / "out") as draft:
        assert draft.path("a").parent.parent == tmp_path
        draft.path("a").write_text("1")
    assert texts(tmp_path / "out") == {"a": "1"}


WRITING = """
import os, signal, sys
from pathlib import Path
from codegen_torch.draft import atomic
if hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
with atomic(Path(sys.argv[1])) as draft:
    draft.path("a").write_text("theirs")
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks")
@pytest.mark.parametrize("place", ["", *PLACES])
def test_the_next_removes_what_the_killed_left_and_nothing_else(tmp_path: Path, place: str) -> None:
    (tmp_path / ".onnxgen-mine").mkdir()
    (tmp_path / ".onnxgen-0123456789abcdef").symlink_to(".onnxgen-mine")
    ours = {path.name for path in tmp_path.iterdir()}
    command = [sys.executable, "-c", WRITING, str(tmp_path / place)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "12"]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
    assert len(list(tmp_path.iterdir())) == len(ours) + 2
    killed, living = processes
    killed.kill()
    killed.communicate()
    assert len(list(tmp_path.iterdir())) == len(ours) + 2
    with atomic(tmp_path / place) as draft:
        draft.path("a").write_text("mine")
    found = {path.name for path in tmp_path.iterdir()} - ours
    assert len(found) == 2
    assert (tmp_path / place / "a").read_text() == "mine"
    living.communicate("")
    assert living.returncode == 0
    assert (tmp_path / place / "a").read_text() == "theirs"
    assert {path.name for path in tmp_path.iterdir()} - ours == {first(place) or "a"}
