"""What the command line says of exceptions that no command expected: limits of the system by their names, the rest as a fault of tmplan."""

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

MEMORY = re.compile("failed to map segment|cannot allocate memory", re.IGNORECASE)  # of the loader of a compiled module
FILES = re.compile("too many open files|error 24", re.IGNORECASE)
THREADS = "can't start new thread"
LEAST = 144 << 20  # bytes of address space in which numpy can be loaded: with fewer, its linear algebra ends the process by itself


def told(error: Exception) -> str:
    """The sentence for an exception: what the system did not give and what would help, or that it is a fault of tmplan."""
    loading = str(error) if isinstance(error, ImportError) else ""
    if isinstance(error, MemoryError) or MEMORY.search(loading):
        return _memory(error)
    if (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)) or FILES.search(loading):
        return f"too many open files{_limit('RLIMIT_NOFILE', '-n', 1)}; raise the limit to 64 or more"
    if isinstance(error, RecursionError):
        return "what was read is nested deeper than tmplan can follow; write it with fewer levels"
    if isinstance(error, RuntimeError) and THREADS in str(error):
        return "the system starts no more threads; close other programs, or raise the limit on processes (ulimit -u)"
    if isinstance(error, OSError) and error.strerror:
        where = f"{named(str(error.filename), PATH)}: " if error.filename else ""
        return f"{where}cannot be used: {error.strerror.lower()}"
    return f"{fault(error)} (TMPLAN_TRACEBACK=1 shows where)"


def traced(error: Exception) -> Iterator[str]:
    """The lines of Python's traceback, for a report."""
    for part in traceback.format_exception(error):
        yield from part.splitlines()


def _memory(error: Exception) -> str:
    """That there is not enough memory, and how much was asked for, where numpy tells it."""
    error.__traceback__ = None  # which holds the frames with all that was worked out
    asked = re.search(r"allocate (\d\S* [KMGTP]?i?B)", str(error))
    wanted = f" for {asked[1]} more" if asked else ""
    return (
        f"not enough memory{wanted}{_limit('RLIMIT_AS', '-v', 1 << 20)}; bound the plans (--pin, --max), take fewer GPUs, close other "
        "programs, or raise the limit"
    )


def check_memory() -> None:
    """MemoryError where the limit on memory leaves no room for numpy."""
    if (allowed := _allowed("RLIMIT_AS")) is not None and allowed < LEAST:
        raise MemoryError


def _allowed(name: str) -> int | None:
    """A limit that the shell set, if there is one."""
    if resource is None or (soft := resource.getrlimit(getattr(resource, name))[0]) == resource.RLIM_INFINITY:
        return None
    return soft


def _limit(name: str, option: str, unit: int) -> str:
    """A limit that the shell set, in MiB or as a number, in brackets."""
    allowed = _allowed(name)
    return "" if allowed is None else f" (ulimit {option} allows {allowed // unit:,}{' MiB' if unit > 1 else ''})"
