"""Files are opened beneath a folder and nowhere else, by one system call or by a walk."""

import errno
import os
import sys
from pathlib import Path

import pytest

from onnx_proto import beneath
from onnx_proto.beneath import open_beneath


@pytest.fixture(params=["openat2", "refused", "elsewhere"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and links, on a system that has the call, has it forbidden, or has none."""
    if request.param == "openat2" and sys.platform != "linux":
        pytest.skip("a call of Linux")
    if request.param == "refused":
        monkeypatch.setattr(beneath, "_openat2", lambda: lambda *_: (-1, errno.ENOSYS))
    if request.param == "elsewhere":
        monkeypatch.setattr(beneath, "_openat2", lambda: None)
    inside = tmp_path.resolve() / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").write_bytes(b"data")
    (inside / "link").symlink_to("a/b/file")
    (inside / "up").symlink_to("..")
    (tmp_path / "secret").write_bytes(b"secret")
    return inside


def test_file_is_opened(folder: Path) -> None:
    descriptor = open_beneath(folder, "a", "b", "file")

    with os.fdopen(descriptor, "rb") as opened:
        assert opened.read() == b"data"


@pytest.mark.parametrize(
    ("steps", "number"),
    [
        (("link",), errno.ELOOP),
        (("up", "secret"), errno.ELOOP),
        (("a", "missing"), errno.ENOENT),
        (("a", "b", "file", "more"), errno.ENOTDIR),
    ],
)
def test_links_and_what_is_missing_are_refused(folder: Path, steps: tuple[str, ...], number: int) -> None:
    before = open_descriptors()

    with pytest.raises(OSError) as caught:  # noqa: PT011 (the number is what matters)
        open_beneath(folder, *steps)

    assert caught.value.errno in (number, errno.ENOTDIR)  # a link is no folder, either
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
@pytest.mark.parametrize(
    ("path", "number"), [("..", errno.EXDEV), ("/", errno.EXDEV), ("a/../../inside/a/b/file", errno.EXDEV)]
)
def test_the_system_call_itself_stays_beneath(tmp_path: Path, path: str, number: int) -> None:
    (tmp_path / "inside" / "a" / "b").mkdir(parents=True)
    root = os.open(tmp_path / "inside", os.O_RDONLY)
    try:
        inside = beneath._in_one_call(root, "a")
        if inside is None:
            pytest.skip("this system refuses the call")
        os.close(inside)
        with pytest.raises(OSError) as caught:  # noqa: PT011 (the number is what matters)
            beneath._in_one_call(root, path)
    finally:
        os.close(root)
    assert caught.value.errno == number
