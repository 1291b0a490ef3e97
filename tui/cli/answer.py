"""The result of a command, exit codes, and messages on stderr."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from planner.plaintext import flat, short

DONE, NO_PLAN, REFUSED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Answer:
    """The result of a command: the text for stdout, further text that is generated and written piece by piece, and the exit code.

    `ending` is called after everything is written: it prints the final messages and returns the exit code in place of `code`.
    """

    text: str = ""
    code: int = DONE
    more: Iterable[str] = ()
    ending: Callable[[], int] | None = None


def narrate(line: str) -> None:
    """Print one message line on stderr, shortened and without control characters; dropped if stderr is closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(short(flat(line)) + "\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF):
            raise
