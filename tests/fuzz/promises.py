"""The guarantees on every message and every command: the README's statements as checks."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from planner.errors import TmplanError
from tests.fuzz.campaign import need

LONGEST = 1000  # characters of a sentence
DOCUMENTED = (0, 1, 2)  # exit codes of a command that nobody interrupts
ACTED_UPON = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)  # what a terminal acts upon
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, where: str) -> None:
    """No control characters, tabs and newlines apart, and none that turn the direction of text."""
    if result := ACTED_UPON.search(text):
        kind = "a bidi control" if BIDI.match(result[0]) else "a control character"
        need(False, f"{kind} {where}", ascii(text[max(0, result.start() - 200) : result.end() + 200]))


def sentence(text: str) -> None:
    """A refusal: one line of readable length, without control characters."""
    need(text.strip(), "a refusal says nothing")
    need("\n" not in text, "a refusal is of several lines", text)
    need(len(text) <= LONGEST, f"a refusal is longer than {LONGEST} characters", f"{len(text)}: {text[:300]}")
    clean(text, "in a refusal")


@dataclass(frozen=True)
class Ran:
    """A command that has run: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def command(argv: Sequence[str]) -> Ran:
    """A whole command line, run in this process as the entry point does; a fault of tmplan leaves it as the exception that it is."""
    from tui.cli import main

    out, err = io.StringIO(), io.StringIO()
    with _environment(TMPLAN_TRACEBACK="1"), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main.run(list(argv))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def checked(argv: Sequence[str], ran: Ran, codes: Sequence[int] = DOCUMENTED) -> Ran:
    """What every command promises: a documented code, clean streams, one readable sentence where it refuses, valid JSON without NaN."""
    name = argv[0] if argv and re.fullmatch(r"[a-z-]+", argv[0]) else "tmplan"
    need(ran.code in codes, f"{name} ends with a code that is not documented", f"{ran.code}: {ran.err[-500:]}")
    need("Traceback" not in ran.out + ran.err, f"{name} shows a traceback", ran.err[-1500:])
    output_of = re.search(r"fault of tmplan.*?: (\w+)", ran.err)
    need(not output_of, f"{name} calls it a fault of tmplan{f' ({output_of[1]})' if output_of else ''}", ran.err[-1500:])
    clean(ran.err, f"on stderr of {name}")
    clean(ran.out, f"on stdout of {name}")
    for line in ran.err.splitlines():
        need(
            len(line) <= LONGEST + 100,
            f"{name} writes a line longer than {LONGEST + 100} characters on stderr",
            f"{len(line)}: {line[:300]}",
        )
    if ran.code == 2 and name != "config":  # which prints what it checked, and ends with 2 where something is wrong
        need(not ran.out, f"{name} refuses, and prints", ran.out[:300])
        need(ran.err.strip(), f"{name} refuses without a word")
        need(
            ran.err.splitlines()[-1].startswith("tmplan: "),
            f"{name} refuses, and its last line on stderr is not a separate sentence",
            ran.err[-500:],
        )
    if ran.code in (0, 1) and "json" in argv and "--help" not in argv and ran.out.lstrip().startswith("{"):
        _json(name, ran.out)
    return ran


def tried(argv: Sequence[str], codes: Sequence[int] = DOCUMENTED) -> Ran:
    """A command line run, with all that every command promises; TmplanError where it refuses."""
    ran = checked(argv, command(argv), codes)
    if ran.code == 2:
        raise TmplanError(ran.err.splitlines()[-1])
    return ran


def _json(name: str, text: str) -> None:
    def refuse(constant: str) -> Any:
        need(False, f"{name} prints JSON with {constant}")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        need(False, f"{name} prints JSON that cannot be read", error)
