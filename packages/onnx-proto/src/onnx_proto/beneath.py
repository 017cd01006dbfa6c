"""Opens files beneath a folder, whatever links somebody puts there in the meantime."""

import errno
import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

# Of Linux's <linux/openat2.h>, <asm/unistd.h>: the number is the same for all machines that Python is built for.
_OPENAT2: Final = 437
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RESOLVE: Final = _BENEATH | _NO_SYMLINKS | _NO_MAGIC_LINKS
_REFUSED: Final = (errno.ENOSYS, errno.EPERM)  # by an old kernel, by a sandbox


def open_beneath(folder: Path, *steps: str) -> int:
    """Opens a file for reading, without following a link on the way from `folder` to it.

    One system call does it where Linux has it (``openat2``, since 5.6). Elsewhere the folders are opened one after
    another, each from the one before, which is as safe: what is open stays what it is. Windows can do neither.

    Args:
        folder: A folder, by its real path.
        *steps: Names of the folders between and of the file; none of them "..".

    Returns:
        A descriptor. It may be one of something else than a file; opening never waits.

    Raises:
        OSError: There is no such file, or one of the steps is a link.
    """
    if os.open not in os.supports_dir_fd:
        return os.open(folder.joinpath(*steps), _READ)

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if (opened := _in_one_call(descriptor, "/".join(steps))) is not None:
            return opened
        *parents, name = steps
        for parent in parents:
            inner = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _in_one_call(folder: int, path: str) -> int | None:
    """Opens a path beneath an open folder; None where the system cannot."""
    call = _openat2()
    if call is None:
        return None
    descriptor, problem = call(folder, os.fsencode(path), struct.pack("=3Q", _READ, 0, _RESOLVE))
    if descriptor >= 0:
        return descriptor
    if problem in _REFUSED:
        return None
    raise OSError(problem, os.strerror(problem), path)


@cache
def _openat2() -> Callable[[int, bytes, bytes], tuple[int, int]] | None:
    """The system call, which gives a descriptor or -1 and an error number; None on other systems than Linux."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 (10 ms, for those with external data)

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long

    def call(folder: int, path: bytes, how: bytes) -> tuple[int, int]:
        number = ctypes.c_long(_OPENAT2)
        descriptor: int = syscall(number, ctypes.c_int(folder), path, how, ctypes.c_size_t(len(how)))
        return descriptor, ctypes.get_errno()

    return call
