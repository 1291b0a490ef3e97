"""The program in a real terminal: what it sends, and how it leaves the terminal behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.terminal import Terminal
from tui.cli import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")
SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16")
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l")  # the screen from before, the cursor, plain paste


def test_bytes_are_few_and_the_terminal_is_left_as_it_was() -> None:
    """Start, move, page, edit, filter, resize and quit stay within their bytes, an idle program is silent, a left one leaves no trace."""
    with Terminal(*SMALL) as it:
        it.until("Step s")
        it.quiet()
        assert len(it.sent) <= 45_000
        steps = sorted(len(it.press("down", quiet=0.15)) for _ in range(9))
        assert steps[4] <= 600
        assert len(it.press("pgdn")) <= 8_000
        assert len(it.press("3")) <= 4_000
        assert len(it.press("tab")) <= 800
        it.press("tab")
        assert len(it.press("enter")) <= 800
        assert len(it.press("3")) <= 250
        assert len(it.press("2", "enter")) <= 12_000
        it.until("•Global batch     32")
        it.press("esc", "/")
        assert len(it.press(*"tp=2", quiet=0.1)) <= 4 * 250
        it.press("enter")
        it.until("filter tp=2")
        assert it.read(1.0) == b""
        it.resize(80, 24)
        it.until("1 cluster  2 model  3 batch  4 plans  5 detail")
        it.resize(200, 60)
        it.until("memory by stage")
        it.press("q")
        assert it.wait() == 0
        assert all(sequence in it.sent for sequence in RESTORED)
        assert it.cooked
        assert b"Traceback" not in it.sent


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_sane(number: signal.Signals, code: int) -> None:
    """Told to end, the program restores the terminal and says nothing."""
    with Terminal(*SMALL) as it:
        it.until("Step s")
        os.kill(it.pid, number)
        assert it.wait() == code
        assert all(sequence in it.sent for sequence in RESTORED)
        assert it.cooked
        assert b"Traceback" not in it.sent


def test_ctrl_c_quits_cleanly_at_any_time() -> None:
    """Ctrl-C ends the program while it plans as well as later."""
    for marker in ("tmplan", "Step s"):
        with Terminal() as it:
            it.until(marker)
            it.press("ctrl+c")
            it.wait()
            assert b"Traceback" not in it.sent
            assert it.cooked


def test_a_closed_terminal_ends_the_program() -> None:
    """When the terminal goes away the program does not linger."""
    with Terminal(*SMALL) as it:
        it.until("Step s")
        keep, it.handle = it.handle, os.open(os.devnull, os.O_RDWR)
        os.close(keep)
        assert it.wait() != 0


@pytest.mark.parametrize(
    ("kind", "says"), [("dumb", "(TERM=dumb)"), ("unknown", "(TERM=unknown)"), ("", "(TERM is not set)"), (None, "(TERM is not set)")]
)
def test_a_terminal_that_draws_nothing_is_told_where_to_go(kind: str | None, says: str) -> None:
    """Where TERM is dumb, unknown, empty or unset one sentence names `tmplan plan`; no escape sequence, and exit code 2."""
    it = Terminal(*SMALL, environment={"TERM": kind or ""})
    if kind is None:
        del it.environment["TERM"]
    with it:
        assert it.wait() == 2
        sent = " ".join(it.sent.decode().split())
        assert (
            sent
            == f"tmplan: this terminal {says} cannot show the program; `tmplan plan` with the same options prints the same plans as text"
        )


@pytest.mark.parametrize("redirected", ["stdin", "stdout"])
def test_without_a_terminal_the_way_out_is_named(redirected: str, tmp_path: Path) -> None:
    """Piped in or out, the program refuses with the command to use for the same file, and exit code 2."""
    assert run(["plan", *SMALL, "--top", "1", "--save", str(tmp_path / "a plan.toml")]) == 0
    done = subprocess.run(
        [sys.executable, "-c", "from tui.cli import main; main()", "a plan.toml"], capture_output=True, text=True, cwd=tmp_path,
        stdin=subprocess.DEVNULL if redirected == "stdin" else None, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "tmplan: the program needs a terminal; `tmplan plan 'a plan.toml'` with the same options prints the same ranking without one\n"
    )


def test_no_color_sends_no_colour() -> None:
    """With NO_COLOR set no sequence sets a colour; the cursor line shows by reverse video."""
    with Terminal(*SMALL, environment={"NO_COLOR": "1"}) as it:
        it.until("Step s")
        it.press("down")
        codes = {code for sequence in re.findall(rb"\x1b\[([0-9;]*)m", it.sent) for code in sequence.split(b";")}
        assert b"7" in codes
        assert not [code for code in codes if code and int(code) >= 30]
