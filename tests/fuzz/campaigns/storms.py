"""Campaign: storms on a pseudo-terminal: keys, pastes, broken sequences, resizes, reports of sizes, stops and slow reading."""

from __future__ import annotations

import re
import signal
import time
from random import Random
from typing import Any

from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.sequences import BROKEN, LONE, paste, random_bytes
from tests.fuzz.tty import CODES, SMALL, Tty

EDITS = (*(char.encode() for char in "1234+-*=auU[]jkfsS/!mcnxdptrPNbBLWiVFwoeyEI:?zC"), b"\x1b[B", b"\r", b"\t")
TEXTS = tuple(
    f"{text}\r".encode()
    for text in ("4096", "tp=8", "<=4", "mem<72", "1e309", "llama-3.1-8b", "nonsense", "64", ".", "fits", "tp=4,pp=2", "x.toml")
)
LEAVES = re.compile(rb"[\x03\x04\x11\x13\x1a\x1c]|q")  # ctrl+c, flow control, suspend, the end of input, and quitting
SIZES = ((80, 24), (120, 40), (200, 60), (1, 1), (2, 500), (20, 5), (500, 200), (1000, 2), (65535, 1))
STEPS = 120


def draw(rng: Random) -> Case:
    """What happens, one event after the other, and how the program is left."""
    return {"events": [event(rng) for _ in range(STEPS)], "leave": rng.choice(("q", "TERM", "HUP", "INT"))}


def event(rng: Random) -> list[Any]:
    """A kind and what belongs to it."""
    kind = rng.choices(("keys", "text", "broken", "bytes", "paste", "size", "winch", "stop", "slow", "escape"),
                       (35, 15, 10, 12, 3, 12, 2, 2, 3, 6))[0]  # fmt: skip
    if kind == "size":
        return [kind, *rng.choice(SIZES)]
    if kind == "keys":
        data = b"".join(rng.choice(EDITS) for _ in range(rng.choice((1, 3, 8))))
    elif kind == "text":
        data = rng.choice(EDITS) + rng.choice(TEXTS)
    elif kind == "broken":
        data = rng.choice(BROKEN) + rng.choice((b"", b"\x1b\\", b"\x07"))
    elif kind == "bytes":
        data = random_bytes(rng)
    elif kind == "paste":
        data = paste(rng)
    else:
        data = b""
    return [kind, nasty.packed(LEAVES.sub(b"j", data))]


def happens(it: Tty, kind: str, *what: Any) -> None:
    """One event."""
    if kind == "size":
        it.resize(*what)
    elif kind == "winch":
        for _ in range(30):
            it.kill(signal.SIGWINCH)
    elif kind == "stop":
        it.kill(signal.SIGSTOP)
        time.sleep(0.03)
        it.write(b"jj")
        it.kill(signal.SIGCONT)
    elif kind == "slow":
        time.sleep(0.3)
    elif kind == "escape":
        it.write(b"\x1b\x1b")
        it.drain(0.1)
    else:
        it.write(nasty.unpacked(what[0]))
    it.drain(0.01)


def check(case: Case, bench: Bench) -> None:
    """Whatever happened, the program answers a key, takes little memory, and leaves as it should, its session written."""
    bench.empty()
    with Tty(*SMALL, folder=bench.folder) as it:
        it.opened()
        for each in case["events"]:
            happens(it, *each)
            need(not it.ended(), "the program ends by itself", f"{it.status}: {it.tail()}")
        calm(it)
        bench.measure("seconds until a key is answered after a storm", it.answers())
        bench.measure("memory in MB", it.memory() / 1e6)
        leave = case["leave"]
        if leave == "q":
            it.write(b"q")
        else:
            it.kill(getattr(signal, f"SIG{leave}"))
        code = it.end()
        need(code == CODES.get(leave, 0), f"left by {leave} the program does not end with {CODES.get(leave, 0)}", code)
        it.sane()
        it.clear()
        it.session()


def calm(it: Tty) -> None:
    """End whatever is unfinished: a paste, a sequence, prompts, pages; at a size that shows everything."""
    for ending in (b"\x1b", b"\x1b[201~", b"\x1b\\", b"\x07"):
        it.write(ending)
        it.drain(LONE)
    it.resize(120, 40)
    it.kill(signal.SIGWINCH)
    it.drain(1.0)
    for _ in range(8):
        it.write(b"\x1b")
        it.drain(LONE)


register(Campaign("storms", "storms on a pseudo-terminal", draw, check, weight=2.0, shrinks=("events",), limit=400.0, tries=0))
