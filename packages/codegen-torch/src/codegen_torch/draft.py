"""Files that get their names together, when all of them are whole.

Until then they have none, and are gone when the process is, however that ends; where the system has no such files, they
are written in a hidden folder. When all are whole they get their names, in a hidden folder, too. That becomes the
output folder, at once, where there was none; else they are moved from it, one right after another.

A hidden folder belongs to whoever holds a lock on it. What a killed process leaves is not locked any more, and whoever
writes to the same place next removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_HIDDEN = ".onnxgen-"
_RANDOM_BYTES = 8
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EINVAL}


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


class Draft:
    """Files that are to be in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._existing = next(place for place in (self._folder, *self._folder.parents) if place.exists())
        self._missing = self._folder.relative_to(self._existing).parts
        self._files: dict[str, int | None] = {}
        self._hidden: _HiddenFolder | None = None
        remove_left(self._existing)

    def path(self, name: str) -> Path:
        """Where to write what is to become the file of this name; files get their names in the order of these calls."""
        descriptor = self._files[name] = _without_name(self._existing)
        return self._named(name) if descriptor is None else Path(f"/proc/self/fd/{descriptor}")

    def publish(self) -> None:
        """Give the files their names.

        Raises:
            OSError: They cannot have them.
        """
        with _undisturbed():
            for name, descriptor in self._files.items():
                if descriptor is not None:
                    _link(descriptor, self._named(name))
            if self._folder.exists() or not self._hidden_became_folder():
                self._move()

    def close(self) -> None:
        """Let go of everything; what was not published is gone."""
        for descriptor in self._files.values():
            if descriptor is not None:
                os.close(descriptor)
        self._files.clear()
        if self._hidden is not None:
            self._hidden.remove()

    def _named(self, name: str) -> Path:
        """The file in the hidden folder, which stands for the first folder that is missing."""
        inside = self._missing[1:]
        if self._hidden is None:
            self._hidden = _HiddenFolder(self._existing)
            self._hidden.path.joinpath(*inside).mkdir(parents=True, exist_ok=True)
        return self._hidden.path.joinpath(*inside, name)

    def _hidden_became_folder(self) -> bool:
        """Rename the hidden folder; False where there is nothing to rename, or somebody else was first."""
        if self._hidden is None:
            return False
        try:
            self._hidden.path.rename(self._existing / self._missing[0])
        except OSError:
            return False
        return True

    def _move(self) -> None:
        """Move the files, which nobody else's moves come in between."""
        self._folder.mkdir(parents=True, exist_ok=True)
        moves = {self._named(name): self._folder / name for name in self._files}
        with _locked(self._folder), _kept(moves.values()):
            for target in moves.values():
                if target.is_dir():  # what can be foreseen must not stop half-way
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
            for named, target in moves.items():
                named.replace(target)


class _HiddenFolder:
    """A folder that is locked for as long as it is used.

    Attributes:
        path: Where it is.
    """

    def __init__(self, place: Path) -> None:
        self.path = place / f"{_HIDDEN}{secrets.token_hex(_RANDOM_BYTES)}"
        self._lock = contextlib.ExitStack()
        with _locked(place):  # or somebody might remove it before it is locked
            self.path.mkdir()
            self._lock.enter_context(_locked(self.path))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def remove_left(place: Path) -> None:
    """Remove the hidden folders that killed processes left in a place; those in use are locked."""
    if fcntl is None:
        return
    left = list(place.glob(_HIDDEN + "[0-9a-f]" * 2 * _RANDOM_BYTES))
    if not left:
        return
    with contextlib.suppress(OSError), _locked(place):
        for path in left:
            with contextlib.suppress(OSError), _opened(path, os.O_DIRECTORY | os.O_NOFOLLOW) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)


def _without_name(folder: Path) -> int | None:
    """A new file in a folder's file system that has no name; None where there are no such files."""
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").exists():
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except (IsADirectoryError, FileNotFoundError, NotImplementedError):
        return None
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _link(descriptor: int, path: Path) -> None:
    """Give an open file a name; Python follows links only where it is also given a folder, which is not looked at."""
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


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
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A folder is locked until this is left, or the process ends."""
    if fcntl is None:
        yield
        return
    with _opened(folder) as descriptor:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _kept(paths: Iterable[Path]) -> Iterator[None]:
    """What is replaced inside goes afterwards: to free a large file takes milliseconds, to rename one microseconds."""
    if fcntl is None:  # where an open file cannot be replaced
        yield
        return
    with contextlib.ExitStack() as stack:
        for path in paths:
            with contextlib.suppress(OSError):
                stack.enter_context(_opened(path, os.O_NONBLOCK))
        yield
