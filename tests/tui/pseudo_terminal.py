"""A real pseudo-terminal with a program in it: press keys, count bytes, read the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from types import TracebackType

import pyte

KEYS = {"down": "\x1b[B", "up": "\x1b[A", "pgdn": "\x1b[6~", "enter": "\r", "tab": "\t", "esc": "\x1b", "ctrl+c": "\x03", "ctrl+u": "\x15"}
PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p")  # kitty keys and mode queries, which pyte does not know


PROGRAM = "from tui.cli.main import main; main()"


class Terminal:
    """The program of this repository in a terminal of a given size; answers what Textual asks terminals."""

    def __init__(
        self, *arguments: str, columns: int = 120, rows: int = 40, environment: dict[str, str] | None = None, program: str = PROGRAM,
        folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.arguments, self.columns, self.rows, self.program, self.folder = arguments, columns, rows, program, folder
        drop = ("NO_COLOR", "COLUMNS", "LINES", "TMPLAN_THEME")
        self.environment = {k: v for k, v in os.environ.items() if k not in drop}
        self.environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.state = tempfile.TemporaryDirectory(prefix="tmplan-state-")  # a separate session
        self.environment |= {"TMPLAN_STATE": self.state.name} | (environment or {})
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.status: int | None = None

    def __enter__(self) -> Terminal:
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
            if self.folder:
                os.chdir(self.folder)
            os.execve(sys.executable, [sys.executable, "-c", self.program, *self.arguments], self.environment)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.handle)
        self.state.cleanup()

    def read(self, seconds: float) -> bytes:
        """What the program sends within a time; empty once it has ended."""
        if not select.select([self.handle], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.handle, 1 << 16)
        except OSError:  # the program's end is closed
            return b""
        self.sent += data
        if b"\x1b[?2026$p" in data:
            os.write(self.handle, b"\x1b[?2026;2$y")
        self.stream.feed(PRIVATE.sub(b"", data))
        return data

    def until(self, text: str, seconds: float = 30.0) -> None:
        """Read until a text is on the screen."""
        end = time.monotonic() + seconds
        while text not in self.text():
            assert time.monotonic() < end, f"'{text}' does not appear; the screen is:\n{self.text()}"
            self.read(0.05)

    def quiet(self, seconds: float = 0.4) -> bytes:
        """Read until nothing has come for a while."""
        got = b""
        while data := self.read(seconds):
            got += data
        return got

    def press(self, *keys: str, quiet: float = 0.4) -> bytes:
        """Press keys one after the other; what the program sent for them."""
        got = b""
        for key in keys:
            os.write(self.handle, KEYS.get(key, key).encode())
            got += self.quiet(quiet)
        return got

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def wait(self, seconds: float = 10.0) -> int:
        """The exit code of the program, once it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                while self.read(0.05):
                    pass
                return self.status
        raise AssertionError("the program has not ended")

    def text(self) -> str:
        """The screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def cooked(self) -> bool:
        """Whether the terminal echoes and reads lines, as a shell wants it."""
        flags = termios.tcgetattr(self.handle)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)
