"""Messages for exceptions that no command expects: system limits by name, everything else as a fault of tmplan."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator

from planner.errors import fault
from planner.plaintext import PATH, named

try:
    import resource
except ImportError:  # a platform without limits of this kind
    resource = None  # type: ignore[assignment]

MEMORY = re.compile("failed to map segment|cannot allocate memory", re.IGNORECASE)  # messages of the loader of compiled modules
FILES = re.compile("too many open files|error 24", re.IGNORECASE)
THREADS = "can't start new thread"
LEAST = 144 << 20  # bytes of address space needed to import numpy: with fewer, its linear algebra library aborts the process


def message_for(error: Exception) -> str:
    """The message for an exception: the system limit reached and what would help, or a fault of tmplan."""
    loading = str(error) if isinstance(error, ImportError) else ""
    if isinstance(error, MemoryError) or MEMORY.search(loading):
        return _memory(error)
    if (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)) or FILES.search(loading):
        return f"too many open files{_limit('RLIMIT_NOFILE', '-n', 1)}; raise the limit to 64 or more"
    if isinstance(error, RecursionError):
        return "the input is nested deeper than tmplan can process; use fewer levels"
    if isinstance(error, RuntimeError) and THREADS in str(error):
        return "the system starts no more threads; close other programs, or raise the limit on processes (ulimit -u)"
    if isinstance(error, OSError) and error.strerror:
        where = f"{named(str(error.filename), PATH)}: " if error.filename else ""
        return f"{where}cannot be used: {error.strerror.lower()}"
    return f"{fault(error)} (TMPLAN_TRACEBACK=1 shows where)"


def traced(error: Exception) -> Iterator[str]:
    """The lines of Python's traceback, for a bug report."""
    for part in traceback.format_exception(error):
        yield from part.splitlines()


def _memory(error: Exception) -> str:
    """The message for a lack of memory, with the amount requested if numpy reports it."""
    error.__traceback__ = None  # it would keep the frames and their results alive
    requested = re.search(r"allocate (\d\S* [KMGTP]?i?B)", str(error))
    amount = f" for {requested[1]} more" if requested else ""
    return (
        f"not enough memory{amount}{_limit('RLIMIT_AS', '-v', 1 << 20)}; bound the plans (--pin, --max), take fewer GPUs, close other "
        "programs, or raise the limit"
    )


def check_memory() -> None:
    """Raise MemoryError if the memory limit is too small for numpy."""
    if (allowed := _allowed("RLIMIT_AS")) is not None and allowed < LEAST:
        raise MemoryError


def _allowed(name: str) -> int | None:
    """The soft limit of a resource, None if unlimited."""
    if resource is None or (soft := resource.getrlimit(getattr(resource, name))[0]) == resource.RLIM_INFINITY:
        return None
    return soft


def _limit(name: str, option: str, unit: int) -> str:
    """The limit of a resource in brackets, in MiB or as a number; empty if unlimited."""
    allowed = _allowed(name)
    return "" if allowed is None else f" (ulimit {option} allows {allowed // unit:,}{' MiB' if unit > 1 else ''})"
