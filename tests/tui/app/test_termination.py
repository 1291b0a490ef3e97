"""Every way out on a real terminal: the session is written, the terminal sane, the code the documented one, a fault one sentence."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tests.tui.pseudo_terminal import PROGRAM, Terminal

__all__ = ["made_up"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")]
SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16")
MODES = ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?2004h", b"\x1b[?2004l"), (b"\x1b[?1004h", b"\x1b[?1004l"))
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def session(it: Terminal) -> Any:
    """The session that lies on the disk."""
    path = Path(it.environment["TMPLAN_STATE"]) / "session-1.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def edited(it: Terminal) -> None:
    """Wait for the plans, and make an edit."""
    it.until("Step s")
    it.press("esc")
    it.press("3")
    it.until("enter edit")
    it.press("g", "j", "j", "j", "enter", "6", "4", "enter", quiet=0.1)
    it.until("•Global batch     64")
    it.until("64: best")


def check(it: Terminal, code: int) -> str:
    """Assert that the program has ended with this code, the edit in its session and the terminal restored; what it printed then."""
    assert it.wait(20) == code
    assert all(it.sent.rfind(on) < it.sent.rfind(off) for on, off in MODES)
    assert it.cooked and b"Traceback" not in it.sent
    state = session(it)
    assert state is not None and len(state["moments"]) == 2 and state["moments"][1]["label"].startswith("Global batch")
    behind = it.sent[it.sent.rfind(b"\x1b[?1049l") :].decode()
    return re.sub(r"\x1b\[[?0-9;<]*[a-zA-Z]", "", behind).strip()


def broken(code: str) -> str:
    """The program with something in it broken once a file named `now` lies in its state folder."""
    head = "import os, pathlib, time\nnow = pathlib.Path(os.environ['TMPLAN_STATE']) / 'now'\n"
    return f"{head}{code}\n{PROGRAM}"


@pytest.mark.parametrize("name", CODES)
def test_a_signal_keeps_what_is_typed_in_a_field(name: str) -> None:
    """A signal in the middle of typing, twice in a row: the program stores edits and the text, and prints nothing."""
    with Terminal(*SMALL) as it:
        edited(it)
        it.press("enter", "7", "7", quiet=0.2)
        os.kill(it.pid, getattr(signal, name))
        os.kill(it.pid, getattr(signal, name))
        assert check(it, CODES[name]) == ""
        assert session(it)["refused"]["global_batch"][0] == "77"


def test_interrupted_from_outside_keys_typed_just_before_count() -> None:
    """SIGINT right behind an edit: the edit is in the session."""
    with Terminal(*SMALL) as it:
        edited(it)
        it.press("u", quiet=0.5)
        os.write(it.handle, b"U")
        it.read(0.3)
        os.kill(it.pid, signal.SIGINT)
        check(it, 130)
        assert session(it)["at"] == 1


@pytest.mark.parametrize("name", CODES)
def test_a_signal_at_any_moment_of_the_start_is_no_traceback(name: str, tmp_path: Path) -> None:
    """While it starts, before anything is drawn and while it plans, a signal ends the program with its code and the terminal restored."""
    number = getattr(signal, name)
    starting = broken(f"""
import tui.app.termination
watch = tui.app.termination.Termination.watch
def watched(self):
    watch(self)
    os.kill(os.getpid(), {int(number)})
tui.app.termination.Termination.watch = watched
""")
    for program, entered in ((starting, None), (PROGRAM, b"\x1b[?1049h"), (PROGRAM, b"planning")):
        with Terminal(*SMALL, program=program) as it:
            for _ in range(600):
                if entered is None or entered in it.sent:
                    break
                it.read(0.05)
            if entered is not None:
                os.kill(it.pid, number)
            assert it.wait(20) == CODES[name]
            assert all(it.sent.rfind(on) <= it.sent.rfind(off) for on, off in MODES)
            assert it.cooked and b"Traceback" not in it.sent


def test_what_is_typed_at_a_prompt_is_there_again(tmp_path: Path) -> None:
    """A path being typed when a signal ends the program is in the prompt the next time it opens, and a message announces it."""
    with Terminal(*SMALL, environment={"TMPLAN_STATE": str(tmp_path)}) as it:
        edited(it)
        it.press("o", *"a/path", quiet=0.1)
        it.until("open a/path")
        os.kill(it.pid, signal.SIGINT)
        check(it, 130)
    with Terminal(environment={"TMPLAN_STATE": str(tmp_path)}) as it:
        it.until("restored when the prompt opens again: open")
        it.until("Step s")
        it.press("o")
        it.until("open a/path")
        it.press("esc", quiet=0.5)
        it.press("o")
        it.until("enter accepts")
        assert "a/path" not in it.text()


@pytest.mark.parametrize(("name", "editor"), [("SIGTERM", "sleep 100"), ("SIGHUP", "sleep 100"), ("SIGTERM", "deaf")])
def test_a_signal_while_an_editor_has_the_terminal(name: str, editor: str, tmp_path: Path) -> None:
    """The editor gets the signal and the program ends after it; an editor that ignores it is killed."""
    deaf = tmp_path / "deaf"
    deaf.write_text("#!/bin/sh\ntrap '' TERM HUP\nwhile :; do sleep 0.1; done\n")
    deaf.chmod(0o755)
    with Terminal(*SMALL, environment={"EDITOR": str(deaf) if editor == "deaf" else editor}) as it:
        edited(it)
        it.press("E")
        for _ in range(200):
            if it.cooked:
                break
            it.read(0.05)
        time.sleep(0.2)  # until the editor runs
        os.kill(it.pid, getattr(signal, name))
        check(it, CODES[name])


@pytest.mark.parametrize("editor", ["/nonexistent/vi", "false", "sh -c 'stty raw -echo; printf \"\\033[?1049h\\033[?1000h\"; kill -9 $$'"])
def test_whatever_becomes_of_an_editor_the_program_goes_on(editor: str) -> None:
    """Not there, failed, or killed with the terminal in other modes: a sentence, the screen whole, keys alive, the terminal sane."""
    with Terminal(*SMALL, environment={"EDITOR": editor}) as it:
        edited(it)
        it.press("E")
        it.until({"/": "cannot be run", "f": "the editor ended with 1", "s": "the editor was ended by signal 9"}[editor[0]])
        assert "•Global batch     64" in it.text()
        it.press("q")
        check(it, 0)
        assert it.sent.rfind(b"\x1b[?1000h") <= it.sent.rfind(b"\x1b[?1000l")


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("written", "why"),
    [(b"x" * 1_200_000, "is too large for a plan file"), (b"# M\xfcller", "is not UTF-8 text (byte 3)"), (None, "a pipe")],
)
def test_what_an_editor_wrote_is_never_written_over(written: bytes | None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not text is renamed, with its new path in the message; the next time the editor opens it is still there."""
    monkeypatch.setenv("EDITOR", "true")

    async def play(it: Driver) -> None:
        def editor(command: list[str]) -> int:
            path = Path(command[-1])
            path.unlink()
            path.write_bytes(written) if written is not None else os.mkfifo(path)
            return 0

        monkeypatch.setattr(it.program.external_editor, "run", editor)
        folder = it.program.folder.path("edited.toml").parent
        for times in (1, 2):
            await it.press("E")
            unread = sorted(folder.glob("edited.unread*"))
            assert why in it.foot.message and f"it is now {folder}" in it.foot.message
            assert len(unread) == times
        if written is not None:
            assert all(path.read_bytes() == written for path in unread)
        for path in folder.iterdir():
            path.unlink()

    drive(play, search=fake_search)


HELP = "import tui.app.dialogs\ntui.app.dialogs.Dialogs.help = help"
FAULTS = {
    "a key": f"def help(self): raise KeyError('broken')\n{HELP}",
    "a panic": f"def help(self): self._help.app.panic('broken')\n{HELP}",
    "no word": f"def help(self): self._help.app.exit()\n{HELP}",
    "memory": """
import tui.widgets.status
draw = tui.widgets.status.Foot.draw
def broken(*a):
    if now.exists(): raise MemoryError
    return draw(*a)
tui.widgets.status.Foot.draw = broken""",
    "the input": """
import tui.terminal.input_parser
feed = tui.terminal.input_parser.InputParser.feed
def broken(*a):
    if now.exists(): raise ValueError('broken')
    return feed(*a)
tui.terminal.input_parser.InputParser.feed = broken""",
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_one_sentence_and_the_session_is_written(what: str) -> None:
    """Whatever breaks, in a key, in drawing, in the thread that reads keys, the program ends with a sentence, code 2 and its session."""
    with Terminal(*SMALL, program=broken(FAULTS[what])) as it:
        edited(it)
        (Path(it.environment["TMPLAN_STATE"]) / "now").touch()
        it.press("?")
        printed = check(it, 2)
        assert printed.startswith("tmplan: ") and printed.count("\n") == 0
        assert ("not enough memory" if what == "memory" else "this is a fault of tmplan") in printed


def test_a_program_that_is_stuck_ends_all_the_same() -> None:
    """While it does what never ends and takes no key, SIGTERM ends the program, the session written and the terminal restored."""
    stuck = f"def help(self):\n    while True: time.sleep(0.05)\n{HELP}"
    with Terminal(*SMALL, program=broken(stuck)) as it:
        edited(it)
        it.press("?")
        os.kill(it.pid, signal.SIGTERM)
        assert check(it, 143) == ""


def test_noise_and_sizes_do_no_harm() -> None:
    """Half characters, stray bytes, reports of sizes and mice, a paste without an end, a terminal of 65,535 x 65,535: keys still work."""
    with Terminal(*SMALL) as it:
        edited(it)
        for noise in (b"\xc3", b"\xa9", b"\xc9", b"\x1b[48;0;0;0;0t", b"\x1b[<0;10;10M", b"\x1b[48;99999;99999;1;1t", b"\x1b[200~tp=8"):
            os.write(it.handle, noise)
            it.read(0.3)
        time.sleep(1.5)  # in which the end of the paste has not come
        it.press("?")
        it.until("go to the cluster")
        it.press("esc")
        fcntl.ioctl(it.handle, termios.TIOCSWINSZ, struct.pack("HHHH", 65_535, 65_535, 0, 0))
        os.kill(it.pid, signal.SIGWINCH)
        it.read(0.5)
        it.resize(120, 40)
        it.press("?")
        it.until("go to the cluster")
        it.press("esc")
        it.press("q")
        check(it, 0)


@pytest.mark.parametrize("size", [("99999", "99999"), ("0", "0"), ("-1", "x")])
def test_a_size_that_no_terminal_has_is_bounded(size: tuple[str, str]) -> None:
    """Whatever the environment says the terminal's size is, the program draws, answers and ends."""
    with Terminal(*SMALL, environment={"COLUMNS": size[0], "LINES": size[1]}) as it:
        for _ in range(600):
            if b"Step s" in it.sent:
                break
            it.read(0.05)
        with open(f"/proc/{it.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak < 400_000
        it.press("esc", "q")
        assert it.wait(20) == 0 and it.cooked


@pytest.mark.parametrize("files", [7, 9, 10, 64])
def test_few_files_are_a_sentence_or_enough(files: int) -> None:
    """Where the system lets too few files be open, one sentence says so, with code 2 and nothing drawn; where enough, the program runs."""
    limit = f"import os, resource; os.closerange(3, 64); resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))\n{PROGRAM}"
    with Terminal(*SMALL, program=limit) as it:
        if files == 64:
            it.until("Step s")
            it.press("esc", "q")
            assert it.wait(20) == 0
        else:
            assert it.wait(20) == 2
            assert it.sent.decode().strip() == f"tmplan: too many open files (ulimit -n allows {files}); raise the limit to 64 or more"
        assert it.cooked


def test_switches_of_the_toolkit_in_the_environment_break_nothing(tmp_path: Path) -> None:
    """A driver that is not there, colours that are none, keys to be pressed, a log: none of it is taken from the environment."""
    wrong = {"TEXTUAL_DRIVER": "nope", "TEXTUAL_COLOR_SYSTEM": "nope", "TEXTUAL_PRESS": "q", "TEXTUAL_LOG": str(tmp_path / "log")}
    with Terminal(*SMALL, environment=wrong) as it:
        edited(it)
        it.press("q")
        check(it, 0)
    assert not (tmp_path / "log").exists()


@pytest.mark.usefixtures("made_up")
def test_text_typed_over_refused_text_is_stored() -> None:
    """A field that was refused and is being mended when the program is left holds what is typed now; one opened and not changed nothing."""

    async def play(it: Driver) -> None:
        await it.field("global_batch", "many")
        it.forms["batch"].begin()
        await it.pilot.press("9")
        assert it.program.state().refused["global_batch"][0] == "many9"
        await it.pilot.press("ctrl+u", "6", "4", "enter")
        it.forms["batch"].begin()
        await it.pilot.press("end")
        assert "global_batch" not in it.program.state().refused

    drive(play, search=fake_search)
