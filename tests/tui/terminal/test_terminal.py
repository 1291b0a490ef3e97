"""The program in a real terminal: what it sends, and how it leaves the terminal behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.pseudo_terminal import Terminal
from tui.cli.main import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")]
SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16")
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l")  # the screen from before, the cursor, plain paste


def test_the_terminal_is_left_as_it_was() -> None:
    """Edited, filtered, resized to all three layouts and left, the program restores the screen and the modes of the terminal."""
    with Terminal(*SMALL) as it:
        it.until("Step s")
        it.press("3", "tab", "tab", "tab", "enter", "3", "2", "enter", quiet=0.1)
        it.until("•Global batch     32")
        it.press("esc", "/", *"tp=2", "enter", quiet=0.1)
        it.until("filter tp=2")
        it.resize(80, 24)
        it.until("1 cluster 2 model 3 batch 4 plans 5 detail")
        it.resize(200, 60)
        it.until("memory by stage")
        it.press("q")
        assert it.wait() == 0
        assert all(sequence in it.sent for sequence in RESTORED)
        assert it.cooked
        assert b"Traceback" not in it.sent


def test_bytes_are_few() -> None:
    """On the default of Llama 3.1 405B at 120x40: first paint, cursor, page, fields, panes, typing and an edit keep to their bytes; idle
    sends none. Over SSH bytes are latency."""
    with Terminal() as it:
        it.until("Step s")
        it.quiet(1.0)
        assert len(it.sent) <= 15_000
        it.press("esc")
        moves = [len(it.press("down", quiet=0.15)) for _ in range(12)]
        assert sorted(moves)[6] <= 450, moves
        assert len(it.press("pgdn")) <= 8_000
        assert len(it.press("3")) <= 4_000
        assert len(it.press("tab")) <= 800
        it.press("tab", quiet=0.2)
        assert len(it.press("enter")) <= 800
        typed = [len(it.press(digit, quiet=0.15)) for digit in "4096"]
        assert max(typed) <= 250, typed
        os.write(it.handle, b"\r")
        edited = len(it.sent)
        it.until("best 6")  # the effect of the edit, shown once the plans are ready
        it.quiet(1.0)
        assert len(it.sent) - edited <= 9_000
        across = [len(it.press("tab", quiet=0.3)) for _ in range(30)]
        assert max(across) <= 4_000, across
        it.press("esc", "/", quiet=0.2)
        assert max(len(it.press(key, quiet=0.1)) for key in "tp=2") <= 250
        it.press("esc")
        assert it.quiet(3.0) == b""
        it.press("q")
        assert it.wait() == 0


def test_quitting_waits_for_no_search(tmp_path: Path) -> None:
    """During a search that would never end, q ends the program with the session saved, before the search has stopped."""
    never = f"""
import pathlib, time
from planner.search import search as searching
def search(job, space=None, **_):
    pathlib.Path({str(tmp_path / "begun")!r}).write_text("begun")
    while True:
        time.sleep(0.05)
searching.search = search
from tui.cli.main import main
main()
"""
    begun, state = tmp_path / "begun", tmp_path / "state"
    with Terminal(*SMALL, program=never, environment={"TMPLAN_STATE": str(state)}) as it:
        it.until("planning")
        it.press("3")
        it.until("Global batch")
        it.press("q")
        assert it.wait() == 0
        assert begun.read_text() == "begun" and (state / "session-1.json").exists()
        assert it.cooked and b"Traceback" not in it.sent


def test_quitting_a_large_search_comes_before_its_end() -> None:
    """DeepSeek-V3 on 2,048 GPUs takes seconds to plan: q at once ends the program with no plan ever shown."""
    with Terminal("--model", "deepseek-v3-671b", "--gpu", "h800-sxm", "--gpus", "2048", "--global-batch", "15360") as it:
        it.until("planning")
        it.press("q", quiet=0.0)
        assert it.wait() == 0
        assert b"fit /" not in it.sent
        assert it.cooked and b"Traceback" not in it.sent


@pytest.mark.parametrize("stop", [signal.SIGTSTP, signal.SIGSTOP])
def test_continued_it_draws_everything_again(stop: signal.Signals) -> None:
    """Stopped, whatever then was written over it, and continued, the program shows all that it did, and keys act."""
    with Terminal(*SMALL) as it:
        it.until("Step s")
        it.press("esc", "down")
        before = it.text()
        os.kill(it.pid, stop)
        os.waitpid(it.pid, os.WUNTRACED)
        it.quiet(0.1)
        it.screen.reset()
        os.kill(it.pid, signal.SIGCONT)
        for _ in range(300):  # however long a busy machine takes
            if it.text() == before:
                break
            it.read(0.1)
        assert it.text() == before
        it.press("down")
        assert it.text() != before
        it.press("q")
        assert it.wait() == 0 and it.cooked


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_sane(number: signal.Signals, code: int) -> None:
    """On a signal to end, at the very start or later, the program restores the terminal and prints nothing."""
    for entered in (b"\x1b[?1049h", b"Step s"):
        with Terminal(*SMALL) as it:
            for _ in range(600):
                if entered in it.sent:
                    break
                it.read(0.05)
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
    ("kind", "message"), [("dumb", "(TERM=dumb)"), ("unknown", "(TERM=unknown)"), ("", "(TERM is not set)"), (None, "(TERM is not set)")]
)
def test_a_terminal_that_draws_nothing_is_reported_where_to_go(kind: str | None, message: str) -> None:
    """Where TERM is dumb, unknown, empty or unset one sentence names `tmplan plan`; no escape sequence, and exit code 2."""
    it = Terminal(*SMALL, environment={"TERM": kind or ""})
    if kind is None:
        del it.environment["TERM"]
    with it:
        assert it.wait() == 2
        sent = " ".join(it.sent.decode().split())
        assert (
            sent
            == f"tmplan: this terminal {message} cannot show the program; `tmplan plan` with the same options prints the same plans as text"
        )


@pytest.mark.parametrize("redirected", ["stdin", "stdout"])
def test_without_a_terminal_the_way_out_is_named(redirected: str, tmp_path: Path) -> None:
    """Piped in or out, the program refuses with the command to use for the same file, and exit code 2."""
    assert run(["plan", *SMALL, "--top", "1", "--save", str(tmp_path / "a plan.toml")]) == 0
    done = subprocess.run(
        [sys.executable, "-c", "from tui.cli.main import main; main()", "a plan.toml"], capture_output=True, text=True, cwd=tmp_path,
        stdin=subprocess.DEVNULL if redirected == "stdin" else None, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
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
