"""Sessions on a real terminal: closed, hung up on, ended by a signal or killed, a program opens where it was left."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from planner.document import planfile
from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from tests.tui.pseudo_terminal import Terminal
from tui.widgets.welcome import sentences

WELCOME = sentences()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")]
SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16")


def opened(folder: Path, *arguments: str) -> Terminal:
    """A program with its state in a folder."""
    return Terminal(*arguments, environment={"TMPLAN_STATE": str(folder)})


def batch(it: Terminal, text: str) -> None:
    """Set the global batch."""
    it.press("3", "g", "j", "j", "j", "enter", quiet=0.1)
    it.press(*text, "enter", quiet=0.1)
    it.until(f"•Global batch     {text}")


def written(folder: Path, seconds: float = 20.0) -> None:
    """Wait until the session is on the disk."""
    end = time.monotonic() + seconds
    while not list(folder.glob("session-1.json")):
        assert time.monotonic() < end, "no session is written"
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["q", "terminal", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_program_opens_where_it_was_left(how: str, tmp_path: Path) -> None:
    """Document, pins and every edit are there again, however the program ended; killed outright, once it had rested after the last edit."""
    with opened(tmp_path, *SMALL) as it:
        it.until("Step s")
        batch(it, "64")
        it.press("4", "down", "m", quiet=0.1)
        batch(it, "96")
        if how == "q":
            it.press("q")
        elif how == "terminal":
            keep, it.handle = it.handle, os.open(os.devnull, os.O_RDWR)
            os.close(keep)
        else:
            if how == "SIGKILL":
                written(tmp_path)
            os.kill(it.pid, getattr(signal, how))
        it.wait()
        assert b"Traceback" not in it.sent
    with opened(tmp_path) as it:
        it.until("Step s")
        it.press("3")
        it.until("•Global batch     96")
        it.press("u")
        it.until("took back: Global batch 64 → 96")
        assert "•Global batch     64" in it.text()
        it.press("4", "up")
        it.until("◆")
        it.press("q")
        assert it.wait() == 0
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob("*.unread.json"))


def test_steady_editing_is_written_meanwhile(tmp_path: Path) -> None:
    """Killed outright amid edits that never paused: all but those of the last moments are there again, and what is being typed too."""
    with opened(tmp_path, *SMALL) as it:
        it.until("Step s")
        it.press("3", "g", "j", "j", "j", quiet=0.1)
        for edits in range(1, 81):  # one every half a second: none rests long enough for a session written after the last
            it.press("+" if edits % 2 else "-", quiet=0.5)
            if (tmp_path / "session-1.json").exists():
                break
        assert edits < 80, "no session is written while one edits"
        before = len(json.loads((tmp_path / "session-1.json").read_text(encoding="utf-8"))["moments"])
        assert before > 1
        it.press("enter", *"77")
        for _ in range(80):
            if json.loads((tmp_path / "session-1.json").read_text(encoding="utf-8"))["refused"]:
                break
            it.press("left", "right", quiet=0.25)  # nor does this rest
        os.kill(it.pid, signal.SIGKILL)
        it.wait()
    with opened(tmp_path) as it:
        it.until("Step s")
        it.press("3")
        it.until("✗Global batch     77")


def test_two_programs_on_one_file_ask_before_one_overwrites_the_other(tmp_path: Path) -> None:
    """Both open a plan file, one writes it: the other, which never saw that, asks; what the first wrote stays until a yes."""
    path = tmp_path / "plan.toml"
    planfile.write(path, Document(EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 32, "sequence": 4096})))
    with opened(tmp_path / "state", str(path)) as one, opened(tmp_path / "state", str(path)) as two:
        for it, text in ((one, "64"), (two, "96")):
            it.until("Step s")
            batch(it, text)
            it.press("w", quiet=0.1)
            it.until("write to")
            it.press("enter", quiet=0.1)
            it.until("wrote" if it is one else "was changed by another program since it was opened; overwrite it?")
        assert planfile.read(path).inputs.values["global_batch"] == 64
        two.press("y")
        two.until("wrote")
        assert planfile.read(path).inputs.values["global_batch"] == 96


def test_what_is_typed_and_not_entered_is_not_lost(tmp_path: Path) -> None:
    """Hung up on in the middle of a field, what was typed stands there, marked, when the program opens again."""
    with opened(tmp_path, *SMALL) as it:
        it.until("Step s")
        it.press("3", "g", "j", "j", "j", "enter", "1", "2", "8", quiet=0.1)
        os.kill(it.pid, signal.SIGHUP)
        it.wait()
    with opened(tmp_path) as it:
        it.until("Step s")
        it.press("3")
        it.until("✗Global batch     128")
        it.press("g", "j", "j", "j", "enter", "enter", quiet=0.2)
        it.until("•Global batch     128")


def test_fresh_ignores_the_last_session(tmp_path: Path) -> None:
    """--fresh opens the example, with nothing to take back; the last session is renamed."""
    with opened(tmp_path, *SMALL) as it:
        it.until("Step s")
        it.press("q")
        it.wait()
    with opened(tmp_path, "--fresh") as it:
        it.until("llama-3.1-405b")
        it.press("u")
        it.until("there is no edit to take back")
        assert WELCOME[0][:20] not in it.text()
    assert (tmp_path / "session-1.old.json").exists()


def test_two_programs_have_a_session_each(tmp_path: Path) -> None:
    """Two at once have a session each; neither writes over the other, and each comes back."""
    with opened(tmp_path, *SMALL) as one, opened(tmp_path, "--model", "falcon-7b", "--gpu", "h100-sxm", "--gpus", "8") as two:
        one.until("Step s")
        two.until("Step s")
        batch(one, "64")
        for it in (two, one):
            it.press("q")
            assert it.wait() == 0
    models = {
        json.loads(path.read_text(encoding="utf-8"))["documents"][-1].count("falcon-7b") > 0 for path in tmp_path.glob("session-?.json")
    }
    assert models == {True, False}
    with opened(tmp_path) as one, opened(tmp_path) as two:
        one.until("Step s")
        two.until("Step s")
        open_models = [next(n for n in ("llama-3.1-8b", "falcon-7b") if n in it.text()) for it in (one, two)]
        assert set(open_models) == {"llama-3.1-8b", "falcon-7b"}


def test_the_first_lines_are_shown_once(tmp_path: Path) -> None:
    """The very first run shows the most important keys until any key, which works as usual; the next run does not."""
    with opened(tmp_path) as it:
        it.until(WELCOME[2][:40])
        assert all(line[:40] in it.text() for line in WELCOME)
        it.press("?")
        it.until("go to the cluster")
        assert WELCOME[2][:40] not in it.text()
        it.press("esc", "q")
        it.wait()
    with opened(tmp_path) as it:
        it.until("Step s")
        it.quiet()
        assert WELCOME[2][:40] not in it.text()
