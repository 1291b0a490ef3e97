"""Writing to stdout so that ctrl+c ends it at once, also where nobody reads on.

A signal that comes just before a write that blocks does not interrupt it: Python would hear of it when the write is done, which may be
never. So nothing is written that would block: the wait is for stdout or for a signal, whichever comes first.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Iterator
from typing import TextIO

AT_ONCE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe takes without blocking once it takes any


def write(stream: TextIO, pieces: Iterable[str]) -> None:
    """Write pieces of text, what the stream's encoding lacks as question marks. OSError, KeyboardInterrupt as they come."""
    try:
        handle = stream.fileno()
    except (OSError, ValueError, AttributeError):  # no file, as in a test
        handle = -1
    if handle < 0 or os.name != "posix":
        for piece in pieces:
            stream.write(piece)
        stream.flush()
        return
    stream.flush()
    with _signals() as woken:
        for piece in pieces:
            _write(handle, piece.encode(stream.encoding or "utf-8", "replace"), woken)


def _write(handle: int, data: bytes, woken: list[int]) -> None:
    """Write bytes, never waiting but for the stream and for signals together."""
    left = memoryview(data)
    while left:
        heard, ready, _ = select.select(woken, [handle], [])
        for end in heard:
            os.read(end, 64)  # whoever handles the signal raises, or it is none of ours
        if not ready:
            continue
        with contextlib.suppress(BlockingIOError):  # of a stream that another program made so
            left = left[os.write(handle, left[:AT_ONCE]) :]


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The end of a pipe that can be read once a signal has come; none outside of the main thread, which hears of none."""
    with contextlib.ExitStack() as ends:
        try:
            woken, waker = os.pipe()
            ends.callback(os.close, woken)
            ends.callback(os.close, waker)
            os.set_blocking(waker, False)
            before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            ends.callback(signal.set_wakeup_fd, before)
        except (OSError, ValueError):  # no file to be had, or not the main thread
            woken = -1
        yield [] if woken < 0 else [woken]
