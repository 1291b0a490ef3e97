"""Guards around one input: of time, of memory, and of /dev/null, which a program run as root has moved away once."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
from collections.abc import Iterator
from types import FrameType

MEMORY = 10**9  # bytes that no input may take
ROOM = 3 * MEMORY // 2  # address space beyond what is in use: past it Python raises MemoryError, before the machine suffers


class Hang(BaseException):
    """An input took longer than it may; no Exception, so that nothing catches it on the way."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Hang is raised in the body once it has taken so long. In the main thread alone; what waits in the system is woken."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def peak() -> int:
    """The most memory this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bound_memory(room: int = ROOM) -> None:
    """Limit this process and its children to `extra` bytes above their current memory."""
    with open("/proc/self/statm") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.getrlimit(resource.RLIMIT_AS)[1]))


def null_is_sound() -> bool:
    """Whether /dev/null is the device it should be."""
    with contextlib.suppress(OSError):
        return stat.S_ISCHR(os.lstat(os.devnull).st_mode)
    return False


def assert_null() -> None:
    """End everything where /dev/null is gone: whatever runs on would make it a file, and fill it."""
    if not null_is_sound():
        raise SystemExit(
            f"{os.devnull} is not a character device any more; nothing runs until this is repaired: mknod -m 666 {os.devnull} c 1 3"
        )
