"""Background threads, and texts for errors raised in them. This module does not import Textual."""

from __future__ import annotations

import threading
from collections.abc import Callable

from planner.errors import TmplanError, fault

SCARCE = (MemoryError, RecursionError)  # a lack of resources, not a fault of the program, which can continue


def begin(work: Callable[[], object]) -> None:
    """Run `work` in a new daemon thread; TmplanError if the system cannot start one."""
    try:
        threading.Thread(target=work, daemon=True).start()
    except (RuntimeError, MemoryError):
        raise TmplanError("the system starts no more threads; close other programs, or raise the limit (`ulimit -u`)") from None


def error_text(error: Exception) -> str:
    """The message for an error."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply"
    return str(error) if isinstance(error, TmplanError) else fault(error)
