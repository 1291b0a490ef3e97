"""What leaves the program and comes back: the editor, the clipboard, pictures, odd paths."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from planner.document import planfile
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tests.tui.pseudo_terminal import Terminal
from tui.app.textual_app import Tmplan

__all__ = ["made_up"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in; the program keeps the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(Tmplan, "suspend", lambda self: contextlib.nullcontext())
    return tmp_path


def script(folder: Path, text: str) -> str:
    """A program of one line of shell; $1 is the file it is given."""
    path = folder / "an editor"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}'"


def test_what_is_edited_elsewhere_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$EDITOR gets the plan file; what it changed is an edit like any other, planned at once and taken back by u."""
    monkeypatch.setenv("EDITOR", script(folder, """sed -i 's/^global_batch = .*/global_batch = 128/' "$1" """))

    async def play(it: Driver) -> None:
        await it.press("E")
        assert it.document.inputs.values["global_batch"] == 128
        assert it.answer is not None and it.answer.job is not None and it.answer.job.global_batch == 128
        await it.press("u")
        assert it.document.inputs.values == SMALL.inputs.values and "took back: edited in the editor" in it.text()

    drive(play)


def test_nonsense_from_the_editor_stays_until_it_is_corrected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read changes nothing, is named with its line, and stands in the editor the next time, until it can be read."""
    seen = folder / "seen.toml"
    monkeypatch.setenv("EDITOR", script(folder, """sed -i 's/^global_batch = .*/global_batch = = 128/' "$1" """))

    async def play(it: Driver) -> None:
        await it.press("E")
        assert it.document.inputs.values == SMALL.inputs.values
        assert re.search(r"line \d+ is not valid TOML", it.text()) and "E opens it again" in " ".join(it.text().split())
        monkeypatch.setenv("EDITOR", script(folder, f"""cp "$1" {seen}; sed -i 's/= = /= /' "$1" """))
        await it.press("E")
        assert "global_batch = = 128" in seen.read_text()
        assert it.document.inputs.values["global_batch"] == 128

    drive(play, search=fake_search)


@pytest.mark.parametrize(
    ("editor", "message"),
    [
        ("true", "nothing was changed"),
        ("false", "the editor ended with 1"),
        ("no-such-editor-anywhere", "cannot be run"),
        ("vi 'x", "EDITOR cannot be read"),
    ],
)
def test_an_editor_that_does_nothing_or_is_missing_is_reported(
    folder: Path, editor: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changed, an editor that failed, one that is missing or cannot be read: a sentence, and the document does not change."""
    monkeypatch.setenv("EDITOR", editor)

    async def play(it: Driver) -> None:
        await it.press("E")
        assert message in " ".join(it.text().split())
        assert it.document.inputs.values == SMALL.inputs.values and len(it.program.history.moments) == 1

    drive(play, search=fake_search)


@pytest.mark.usefixtures("made_up")
@pytest.mark.slow
def test_a_path_that_cannot_be_is_refused_in_its_prompt(folder: Path) -> None:
    """A name too long, a folder that is not there, one that has gone: a sentence each time, and the program stands."""

    async def play(it: Driver) -> None:
        for key in ("w", "o", "I"):
            for path in ("a" * 300, "no/such/folder/x.toml", "/dev/null/x"):
                await it.press(key, "ctrl+u")
                assert it.foot.prompt is not None
                it.foot.prompt.edit.insert(path)
                await it.press("enter")
                assert "✗" in it.text(), (key, path)
                await it.press("escape", "escape")
        os.rmdir(folder) if not list(folder.iterdir()) else None
        await it.press("e", "enter", "enter", "escape")
        assert " tmplan " in it.text()

    drive(play, search=fake_search)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")
def test_a_copy_reaches_the_clipboard_of_the_terminal(tmp_path: Path) -> None:
    """y sends the plan file by OSC 52 and writes it next to the session, at the path in the message; both are the document."""
    with Terminal("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16", environment={"TMPLAN_STATE": str(tmp_path)}) as it:
        it.until("Step s")
        it.press("y")
        it.until("copied to the clipboard")
        sent = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", it.sent)
        assert sent is not None
        text = base64.b64decode(sent[1]).decode()
        assert (tmp_path / "session-1-copied.toml").read_text(encoding="utf-8") == text
        assert planfile.loads(text).inputs.values["gpus"] == 16 and planfile.loads(text).plan is not None
        it.press("q")
        it.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")
def test_the_editor_has_the_terminal_to_itself(tmp_path: Path) -> None:
    """While the editor runs the terminal is as a shell has it, Ctrl-C is its own, and afterwards the whole screen stands again."""
    editor = script(tmp_path, "echo here is the editor; trap 'echo interrupted' INT; read line; echo got $line; sleep 20")
    environment = {"EDITOR": editor, "VISUAL": "", "TMPLAN_STATE": str(tmp_path)}
    with Terminal("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16", environment=environment) as it:
        it.until("Step s")
        it.press("down")  # the first lines of all are gone with it
        before = it.text()
        os.write(it.handle, b"E")
        it.until("here is the editor")
        assert it.cooked
        os.write(it.handle, b"a line\n")
        it.until("got a line")
        os.write(it.handle, b"\x03")
        it.until("nothing was changed")
        it.quiet()
        assert it.text().splitlines()[:-2] == before.splitlines()[:-2]
        assert not it.cooked
        it.press("down")
        it.press("q")
        assert it.wait() == 0 and it.cooked
        assert b"Traceback" not in it.sent
