"""Campaign: terminal input, split at random places, through the driver's input thread; later keys must arrive."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
import time
import tty
from random import Random
from typing import Any

from textual import constants

from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Broken, Campaign, Case, need, register
from tests.fuzz.sequences import sequence
from tui.terminal import driver as drivers

PROBE = b"Z"
PATIENCE = 20.0  # seconds for a key to arrive
SHORT = 0.01  # seconds after which an escape that nothing followed is the key: here nothing comes over a slow line


def draw(rng: Random) -> Case:
    """Bytes in pieces, each read separately."""
    data = b"".join(sequence(rng) for _ in range(rng.choice((1, 2, 4, 12))))
    pieces = []
    while data:
        size = rng.choice((1, 1, 2, 3, 7, 40, 4096))
        pieces.append(nasty.packed(data[:size]))
        data = data[size:]
    return {"pieces": pieces}


class Receiver:
    """A substitute for the program: stores what the driver delivers, and whether it was made to leave."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.left: list[int] = []

    def call_later(self, callback: Any, *arguments: Any) -> None:
        """As the driver calls it."""
        callback(*arguments)

    def leave(self, code: int = 0) -> None:
        """Called to end."""
        self.left.append(code)

    def repaint(self) -> None:
        """Called to draw."""


def check(case: Case, bench: Bench) -> None:
    """No exception ends the thread, and a key pressed afterwards is handed on."""
    setattr(constants, "ESCAPE_DELAY", SHORT)  # noqa: B010  (final, and changed in this process alone)
    drivers.LONE = SHORT
    sys.__stdin__ = sys.stdin  # type: ignore[misc, assignment]  # multiprocessing has closed the one, and opened the other
    asyncio.run(_fed([nasty.unpacked(piece) for piece in case["pieces"]]))


async def _fed(pieces: list[bytes]) -> None:
    received, faults = Receiver(), []

    class Ear(drivers.QuietDriver):
        def process_message(self, message: Any) -> None:
            received.keys.append(getattr(message, "key", type(message).__name__))

    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    tty.setraw(theirs)
    driver = Ear(received, debug=False, mouse=False)
    driver.fileno = theirs

    def listen() -> None:
        try:
            driver.run_input_thread()
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        for piece in pieces:
            _write(ours, theirs, piece, thread)
        arrives(ours, theirs, received, thread)
    finally:
        driver.exit_event.set()
        os.write(driver._waker, b"\0")
        thread.join(PATIENCE)
        for handle in (ours, theirs, driver._waker, driver._woken):
            os.close(handle)
    if faults:
        raise faults[0]
    need(not received.left, "the program takes its terminal for gone", received.left)


def _write(ours: int, theirs: int, data: bytes, thread: threading.Thread) -> None:
    """Write a piece, and wait until it has been read."""
    os.write(ours, data)
    end = time.monotonic() + PATIENCE
    while thread.is_alive() and select.select([theirs], [], [], 0)[0]:
        if time.monotonic() > end:
            raise Broken("what is typed is not read any more")
        time.sleep(0.0005)


def arrives(ours: int, theirs: int, received: Receiver, thread: threading.Thread) -> None:
    """A key after the end of whatever is unfinished is handed on."""
    before, end = received.keys.count("Z"), time.monotonic() + PATIENCE
    while received.keys.count("Z") == before and thread.is_alive():
        need(time.monotonic() < end, "a key does not arrive any more", received.keys[-20:])
        for piece in (b"\x1b[201~", b"\x1b\\", PROBE):
            _write(ours, theirs, piece, thread)
            time.sleep(4 * SHORT)


register(
    Campaign("terminal-input", "what terminals send, cut anywhere", draw, check, weight=1.0, shrinks=("pieces",), limit=60.0, tries=25)
)
