"""Odd things that lie where a file should, and patience that ends: a reader that waits for one of them fails, and holds nothing up."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

SECONDS = 20  # far beyond what any refusal takes


@contextlib.contextmanager
def patience(seconds: int = SECONDS) -> Iterator[None]:
    """Fail what waits longer, for a pipe say, in place of waiting with it."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it waited for {seconds} seconds")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _socket(path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made, contextlib.chdir(path.parent):  # no path of a socket is long
        made.bind(path.name)


def _circle(path: Path) -> None:
    other = path.with_name("circle")
    path.symlink_to(other)
    other.symlink_to(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _piped(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to(path.with_name("fifo"))


def _latin(path: Path) -> None:
    path.write_bytes(b"# \xff\n")


def _sparse(path: Path) -> None:
    with open(path, "wb") as stream:
        stream.truncate(2**40)


# What is put at a path, and what the refusal says of it.
ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda path: None, "cannot be read: no such file or directory"),
    "a folder": (Path.mkdir, "cannot be read: it is a folder, not a file"),
    "a pipe": (os.mkfifo, "cannot be read: it is a pipe, not a file; save its output to a file and name that file"),
    "a link to a pipe": (_piped, "cannot be read: it is a pipe, not a file"),
    "a socket": (_socket, "cannot be read: it is a socket, not a file"),
    "a link to a device without end": (_endless, "cannot be read: it is a device, not a file"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "cannot be read: it is a symbolic link to a file that does not exist"),
    "a circle of links": (_circle, "cannot be read: it is a symbolic link in a cycle of links"),
    "a tebibyte": (_sparse, "is larger than "),
    "no UTF-8": (_latin, "not UTF-8 text"),
}
