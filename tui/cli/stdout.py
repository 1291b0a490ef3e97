"""Writing to stdout so that ctrl+c ends it at once, even if the reader has stopped reading.

A signal that arrives just before a blocking write does not interrupt it: Python would handle it after the write, which may never end.
So no write may block: the wait is for stdout or for a signal, whichever comes first.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Iterator
from typing import TextIO

AT_ONCE = getattr(select, "PIPE_BUF", 512)  # bytes that a ready pipe accepts without blocking


def write(stream: TextIO, pieces: Iterable[str]) -> None:
    """Write pieces of text, with question marks for characters that the encoding lacks. OSError and KeyboardInterrupt propagate."""
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
    """Write bytes, waiting only for the stream and for signals together."""
    left = memoryview(data)
    while left:
        signalled, ready, _ = select.select(woken, [handle], [])
        for end in signalled:
            os.read(end, 64)  # the handler of the signal raises, or the signal is not relevant here
        if not ready:
            continue
        with contextlib.suppress(BlockingIOError):  # a stream that another program made non-blocking
            left = left[os.write(handle, left[:AT_ONCE]) :]


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The read end of a pipe that becomes readable when a signal arrives; empty outside of the main thread, which gets no signals."""
    with contextlib.ExitStack() as ends:
        try:
            woken, waker = os.pipe()
            ends.callback(os.close, woken)
            ends.callback(os.close, waker)
            os.set_blocking(waker, False)
            before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            ends.callback(signal.set_wakeup_fd, before)
        except (OSError, ValueError):  # no file descriptor left, or not the main thread
            woken = -1
        yield [] if woken < 0 else [woken]
