"""What a command returns, its exit codes, and narration on stderr."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from planner.plaintext import flat, short

DONE, NO_PLAN, REFUSED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Answer:
    """What a command gives back: the text for stdout, what is worked out and written behind it piece by piece, and the exit code.

    `ending` is called once all is written: it says what is to be said then, and gives the exit code in place of `code`.
    """

    text: str = ""
    code: int = DONE
    more: Iterable[str] = ()
    ending: Callable[[], int] | None = None


def narrate(line: str) -> None:
    """One line for the person, on stderr, of a length that is read and without what a terminal acts on; lost where stderr is closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(short(flat(line)) + "\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF):
            raise
