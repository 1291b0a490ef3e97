"""The program on a pseudo-terminal, in the hands of a campaign: raw bytes in, odd sizes and signals, and how it leaves the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fuzz.campaign import Broken, need
from tests.fuzz.guard import MEMORY
from tests.tui.pseudo_terminal import PROGRAM, Terminal
from tui.state import session
from tui.state.session import State

SMALL = ("--model", "llama-3.2-1b", "--gpus", "8", "--global-batch", "64")
PATIENCE = 60.0  # seconds for anything that should take one: the machine may be busy with others
CODES = {"TERM": 128 + signal.SIGTERM, "HUP": 128 + signal.SIGHUP, "INT": 128 + signal.SIGINT, "KILL": -signal.SIGKILL}
MODES = {  # what a program switches on must be off when it has gone: how it is switched on, and off
    "the alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"), "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
    "the mouse": (b"\x1b[?1000h", b"\x1b[?1000l"), "mouse reports": (b"\x1b[?1006h", b"\x1b[?1006l"),
    "focus reports": (b"\x1b[?1004h", b"\x1b[?1004l"), "a hidden cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    "synchronized output": (b"\x1b[?2026h", b"\x1b[?2026l"), "in-band resize reports": (b"\x1b[?2048h", b"\x1b[?2048l"),
}  # fmt: skip


class Tty(Terminal):
    """A terminal without a screen, so that it may have any size; stores what the program sent."""

    def __init__(self, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, program: str = PROGRAM) -> None:
        super().__init__(*arguments, folder=folder, environment={"EDITOR": "true"} | dict(environment or {}), program=program)
        self.state_folder = Path(self.environment["TMPLAN_STATE"])
        self.before: list[Any] = []
        self.highest = 0  # the most memory seen, in bytes

    def __enter__(self) -> Tty:
        super().__enter__()
        os.set_blocking(self.handle, False)
        self.before = termios.tcgetattr(self.handle)
        return self

    def read(self, seconds: float) -> bytes:
        """What the program sends within a time; empty once it has ended."""
        if not select.select([self.handle], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.handle, 1 << 16)
        except OSError:
            return b""
        self.sent += data
        if b"\x1b[?2026$p" in data:
            self.write(b"\x1b[?2026;2$y")
        return data

    def drain(self, seconds: float) -> None:
        """Read all that is sent in a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.ended():
            self.read(left)

    def until(self, text: str, seconds: float = PATIENCE) -> None:
        """Read until a text has been sent."""
        end = time.monotonic() + seconds
        while text.encode() not in self.sent:
            need(not self.ended(), "the program ends before it is ready", f"{self.status}: {self.tail()}")
            need(time.monotonic() < end, "the program is not ready within a minute", self.tail())
            self.read(0.1)

    def opened(self) -> Tty:
        """Wait until the plans are there, and leave whatever has the keyboard."""
        self.until("Step s")
        self.drain(0.5)
        self.write(b"\x1b")
        self.drain(0.4)
        return self

    def write(self, data: bytes) -> None:
        """Send bytes, reading meanwhile; what a program that does not read cannot take is dropped."""
        while data:
            if not select.select([], [self.handle], [], 2.0)[1]:
                return
            try:
                data = data[os.write(self.handle, data[:512]) :]
            except OSError:
                return
            if select.select([self.handle], [], [], 0)[0]:
                self.read(0)

    def answers(self, key: bytes = b"\x0c") -> float:
        """Seconds until a key that redraws the screen is answered; Broken if it is not."""
        mark, start = len(self.sent), time.monotonic()
        self.write(key)
        while len(self.sent) - mark < 500:
            need(not self.ended(), "the program ends by itself", f"{self.status}: {self.tail()}")
            need(time.monotonic() - start < PATIENCE, "the program answers no key any more", self.tail())
            self.read(0.1)
        return time.monotonic() - start

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, which the system reports to the program."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self, number: int) -> None:
        """Send a signal, where there is still a program."""
        self.memory()
        if not self.ended():
            os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal."""
        keep, self.handle = self.handle, os.open(os.devnull, os.O_RDONLY)
        os.close(keep)

    def ended(self) -> bool:
        """Whether the program has ended; its exit code is then `status`."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def end(self, seconds: float = PATIENCE) -> int:
        """The exit code, once the program has ended."""
        limit = time.monotonic() + seconds
        while not self.ended():
            need(time.monotonic() < limit, "the program does not end", self.tail())
            self.memory()
            if not self.read(0.05):
                time.sleep(0.02)
        while self.read(0.05):
            pass
        assert self.status is not None
        return self.status

    def memory(self) -> int:
        """The most memory the program has held, in bytes; Broken where it is more than it may be."""
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
            self.highest = max(self.highest, 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))
        need(self.highest < MEMORY, "the program takes more than 1 GB", f"{self.highest / 1e9:.2f} GB")
        return self.highest

    def sane(self) -> None:
        """The terminal is in the state before the program."""
        now = termios.tcgetattr(self.handle)
        need(self.cooked and now[:4] == self.before[:4], "the terminal is left in another mode", (self.before[:4], now[:4]))
        for what, (on, off) in MODES.items():
            need(self.sent.rfind(on) <= self.sent.rfind(off), f"{what} is left on", self.tail())

    def clear(self) -> None:
        """Nothing was sent that a correct screen does not contain."""
        for word in (b"Traceback", b"please report"):
            at = self.sent.find(word)
            need(at < 0, f"'{word.decode()}' is on the screen", ascii(self.sent[max(0, at - 300) : at + 900]))

    def tail(self) -> str:
        """The last of what was sent."""
        return ascii(self.sent[-400:])

    def session(self) -> State:
        """The session that was written; Broken where there is none, or none that can be read."""
        path = self.state_folder / "session-1.json"
        need(path.exists(), "no session is written", sorted(each.name for each in self.state_folder.iterdir()))
        try:
            state = session.loads(path.read_text(encoding="utf-8"))
        except Exception as error:
            raise Broken("the session that was written cannot be read", error) from None
        left = [each.name for each in self.state_folder.iterdir() if each.name.endswith(".tmp")]
        need(not left or self.status == CODES["KILL"], "temporary files are left next to the session", left)
        return state
