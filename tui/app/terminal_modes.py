"""The terminal's modes, read and restored without the help of the program's driver."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Any

# Plain paste, lines that wrap, no reports of focus, no synchronised updates, the screen from before, the cursor.
RESTORE = b"\x1b[?2004l\x1b[?7h\x1b[?1004l\x1b[?2026l\x1b[?1049l\x1b[?25h\x1b[m"
# What an editor that was killed may have left: reports of the mouse, keys of applications, its screen.
AFTER_OTHERS = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1l\x1b>\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[m"


def modes() -> list[Any] | None:
    """The modes of the terminal on stdin; None where it has none."""
    try:
        import termios

        return termios.tcgetattr(0)
    except (ImportError, OSError, ValueError, termios.error):
        return None


def set_modes(before: list[Any] | None) -> None:
    """The terminal in these modes again."""
    if before is None:
        return
    import termios

    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcsetattr(0, termios.TCSANOW, before)


def send(sequences: bytes) -> None:
    """Send the terminal some bytes at once, unless it takes none."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0.5)[1]:
            os.write(2, sequences)
