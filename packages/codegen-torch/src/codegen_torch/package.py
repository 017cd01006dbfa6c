"""The output folder: what is written, and how it never ends up half-written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from codegen_torch.errors import OutputExistsError
from codegen_torch.safetensors_file import is_safetensors_of_ours
from codegen_torch.weights import is_weights_file

try:
    import fcntl
except ModuleNotFoundError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

MARK = "generated  by onnxgen"
_HEAD = 4096
_SCRATCH = ".onnxgen-"
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EINVAL}


def written_by_us(path: Path) -> bool:
    """Whether a file of an output folder was written by this program, and not by a person."""
    if path.suffix == ".msgpack":
        return is_weights_file(path)
    if path.suffix in (".safetensors", ".json"):
        return is_safetensors_of_ours(path)
    return begins_with(path, MARK)


def begins_with(path: Path, mark: str) -> bool:
    """Whether a text that tells who wrote a file is in its beginning."""
    with path.open("rb") as file:
        return mark.encode() in file.read(_HEAD)


def sha256_of(path: Path) -> str:
    """The hash of a file, by which a source tells of which model it is, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_free(folder: Path, names: list[str], is_ours: Callable[[Path], bool] = written_by_us) -> None:
    """Refuse to overwrite what somebody else wrote.

    Args:
        folder: The folder.
        names: The files that are to be written.
        is_ours: Whether a file that is there was written by this program.

    Raises:
        OutputExistsError: The folder holds a file of one of the names that this program did not write.
    """
    for name in names:
        path = folder / name
        if path.exists() and not (path.is_file() and is_ours(path)):
            raise OutputExistsError(f"{path} exists and was not written by onnxgen; use --force to overwrite it")


def check_not_input(folder: Path, names: list[str], inputs: list[Path]) -> None:
    """Refuse to overwrite what is being converted, whatever name it goes by.

    Raises:
        OutputExistsError: One of the files to be written is one of the inputs.
    """
    for name in names:
        path = folder / name
        for source in inputs:
            if path.exists() and source.exists() and path.samefile(source):
                raise OutputExistsError(f"{path} is what is being converted, and would be overwritten")


class Draft:
    """Files that have no names yet. They get them together, when all are whole.

    A file without a name is gone when the process is, however that ends. To take another's place it has a hidden name
    for a moment, and where the system has no such files, all the time: a killed process leaves that behind.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = _existing(folder)
        self._files: dict[str, tuple[int, Path | None]] = {}

    def path(self, name: str) -> Path:
        """Where to write what is to become the file of this name."""
        descriptor, path = _without_name(self._scratch) or _with_hidden_name(self._scratch)
        self._files[name] = descriptor, path
        return path or Path(f"/proc/self/fd/{descriptor}")

    def publish(self) -> None:
        """Give the files their names, one right after another; nobody else's publishing comes in between."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with _undisturbed(), _locked(self._folder), _kept(self._folder / name for name in self._files):
            ready = {name: self._named(name, *file) for name, file in self._files.items()}
            for name, path in ready.items():
                if path is not None:
                    path.replace(self._folder / name)

    def close(self) -> None:
        """Let go of everything; what was not published is gone."""
        for descriptor, path in self._files.values():
            os.close(descriptor)
            if path is not None:
                path.unlink(missing_ok=True)
        self._files.clear()

    def _named(self, name: str, descriptor: int, path: Path | None) -> Path | None:
        """A name from which the file can be renamed; None where it could have its own at once."""
        if path is not None:
            return path
        with contextlib.suppress(FileExistsError):
            _link(descriptor, self._folder / name)
            return None
        hidden = _hidden(self._folder)
        _link(descriptor, hidden)
        self._files[name] = descriptor, hidden
        return hidden


@contextlib.contextmanager
def atomic(folder: Path) -> Iterator[Draft]:
    """Files to write; when all went well they get their names in ``folder``, and otherwise never existed.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    draft = Draft(folder)
    try:
        yield draft
        draft.publish()
    finally:
        draft.close()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)


def _hidden(folder: Path) -> Path:
    return folder / f"{_SCRATCH}{secrets.token_hex(8)}"


def _without_name(folder: Path) -> tuple[int, None] | None:
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").exists():
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), None
    except (IsADirectoryError, FileNotFoundError, NotImplementedError):
        return None
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _link(descriptor: int, path: Path) -> None:
    """Give an open file a name; Python follows links only where it is also given a folder, which is not looked at."""
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


def _with_hidden_name(folder: Path) -> tuple[int, Path]:
    path = _hidden(folder)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), path


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until this is done."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _kept(paths: Iterable[Path]) -> Iterator[None]:
    """What is replaced inside goes afterwards: to free a large file takes milliseconds, to rename one microseconds."""
    if fcntl is None:  # where an open file cannot be replaced
        yield
        return
    with contextlib.ExitStack() as stack:
        for path in paths:
            with contextlib.suppress(OSError):
                stack.callback(os.close, os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        yield
