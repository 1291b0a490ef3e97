"""Campaign: signals and hang-ups at random moments of editing: the session is written with its edits, the exit code is as documented."""

from __future__ import annotations

import signal
import time
from random import Random

from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.tty import CODES, SMALL, Tty

WAYS = ("KILL", "TERM", "HUP", "INT", "hang-up", "TERM+HUP")
LOST = 3.0  # seconds before SIGKILL whose edits may be lost
SLOW = 5.0  # more than that, and
TIMES = 20  # multiples of the longest response time of a key, since a busy machine also writes late
APPLIED = 0.4  # seconds in which an edit is taken
TYPED = b"77"


def draw(rng: Random) -> Case:
    """Pauses between edits, then a text in an open field or none, and how the program is ended."""
    way = rng.choice(WAYS)
    steady = way == "KILL" or rng.random() < 0.2
    pauses = (
        [round(rng.uniform(0.8, 1.4), 2) for _ in range(12)] if steady else [rng.choice((0.05, 0.3, 2.3)) for _ in range(rng.randint(1, 4))]
    )
    return {
        "way": way,
        "pauses": pauses,
        "typed": way != "KILL" and rng.random() < 0.4,
        "wait": round(rng.choice((0.0, 0.3, 2.2)) * rng.random(), 2),
    }


def check(case: Case, bench: Bench) -> None:
    """The program ends at once with its code, the terminal sane, and of the edits none is lost but the last before SIGKILL."""
    bench.empty()
    with Tty(*SMALL, folder=bench.folder) as it:
        it.opened()
        it.write(b"1jj")  # the number of GPUs
        it.drain(APPLIED)
        taken, longest = edited(it, case["pauses"])
        if case["typed"]:
            it.write(b"\r")
            it.drain(APPLIED)
            it.write(TYPED)
            it.drain(APPLIED)
        it.drain(case["wait"])
        requested = time.monotonic()
        code = finished(it, case["way"])
        bench.measure("seconds to end", time.monotonic() - requested)
        bench.measure("seconds until an edit is shown", longest)
        late = LOST + SLOW + TIMES * longest if case["way"] == "KILL" else 0.0
        judged(it, case, code, [at for at in taken if requested - at >= late])


def edited(it: Tty, pauses: list[float]) -> tuple[list[float], float]:
    """Edit the field under the cursor, up and down by turns; when each edit had been taken, and the longest that one took to be shown."""
    taken, longest = [], 0.0
    for number, pause in enumerate(pauses):
        begun = time.monotonic()
        it.write(b"+-"[number % 2 :][:1])
        it.read(APPLIED)
        longest = max(longest, time.monotonic() - begun)
        it.drain(max(pause, APPLIED))
        taken.append(time.monotonic())
    return taken, longest


def finished(it: Tty, way: str) -> int:
    """End the program one way; its exit code."""
    if way == "hang-up":
        it.hang_up()
    else:
        for name in way.split("+"):
            it.kill(getattr(signal, f"SIG{name}"))
    return it.end()


def judged(it: Tty, case: Case, code: int, certain: list[float]) -> None:
    """The code, the terminal, and what the session holds."""
    way = case["way"]
    expected = {"hang-up": (CODES["HUP"],), "TERM+HUP": (CODES["TERM"], CODES["HUP"])}.get(way) or (CODES[way],)
    need(code in expected, f"ended by {way} the program does not end with {' or '.join(map(str, expected))}", code)
    it.clear()
    if way not in ("KILL", "hang-up"):
        it.sane()
    if not certain:
        return
    state = it.session()
    stored = len(state.history.moments) - 1
    need(
        stored >= len(certain),
        f"ended by {way} edits are lost",
        f"{stored} of {len(certain)} that must be there, {len(case['pauses'])} made",
    )
    if case["typed"]:
        texts = [text for text, _ in state.refused.values()]
        need(TYPED.decode() in texts, f"ended by {way} the text in an open field is lost", texts)


register(Campaign("kills", "signals and hang-ups while editing", draw, check, weight=2.0, limit=300.0, tries=0))
