"""Threads: work that nothing waits for, and what is said of an error that nobody else would hear of. Nothing here needs Textual."""

from __future__ import annotations

import threading
from collections.abc import Callable

from planner.errors import TmplanError, fault

SCARCE = (MemoryError, RecursionError)  # the system gives no more: no fault of the program, which can go on with less


def begin(work: Callable[[], object]) -> None:
    """Do something on a thread of its own; TmplanError where the system has none."""
    try:
        threading.Thread(target=work, daemon=True).start()
    except (RuntimeError, MemoryError):
        raise TmplanError("the system lets no further thread begin; end other programs, or raise the limit (`ulimit -u`)") from None


def said(error: Exception) -> str:
    """What is said of an error."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, RecursionError):
        return "what was given lies too deep in itself"
    return str(error) if isinstance(error, TmplanError) else fault(error)
