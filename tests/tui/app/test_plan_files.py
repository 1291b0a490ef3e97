"""Writing and opening plan files from the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.document import planfile
from planner.document.planfile import Document
from tests.tui.driving import SMALL, Driver, drive


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder the program runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_w_writes_the_plan_under_the_cursor(folder: Path) -> None:
    """The file offered is written, reads back to the same inputs, and holds the plan and its predictions."""

    async def play(it: Driver) -> None:
        await it.press("down", "down", "w", "enter")
        written = planfile.read(folder / "llama-3.1-8b-16.toml")
        assert written.inputs.values == SMALL.inputs.values
        assert written.plan == it.table.plan
        assert written.predictions is not None
        assert written.predictions["memory_gib"] > 0
        assert "tp" not in written.predictions
        assert not it.program.panes.status.status.changed
        assert "llama-3.1-8b-16.toml" in it.text()

    drive(play)


def test_another_file_is_not_overwritten_without_a_yes(folder: Path) -> None:
    """For an existing file there is a question; only y overwrites it."""
    other = folder / "other.toml"

    async def play(it: Driver) -> None:
        for answer, unchanged in (("n", True), ("escape", True), ("y", False)):
            other.write_text("precious")
            await it.press("w", "ctrl+u")
            await it.type("other.toml")
            assert "overwrite" in it.text()
            await it.press(answer)
            assert (other.read_text() == "precious") == unchanged

    drive(play)


def test_the_open_file_is_overwritten(folder: Path) -> None:
    """Writing again to the file that is open asks nothing."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        await it.field("sequence", "2k")
        await it.press("w", "enter")
        assert planfile.read(path).inputs.values["sequence"] == 2048

    drive(play, SMALL, path)


def test_a_folder_that_cannot_be_written_is_a_sentence(folder: Path) -> None:
    """A path into nowhere is refused in the prompt, which keeps the path."""

    async def play(it: Driver) -> None:
        await it.press("w", "ctrl+u")
        await it.type("nowhere/plan.toml")
        assert "cannot be written" in it.text()
        assert it.foot.prompt is not None
        assert it.foot.prompt.edit.text == "nowhere/plan.toml"

    drive(play)


def test_o_opens_a_file_and_its_plan(folder: Path) -> None:
    """The inputs, bounds and plan of the file take over, and the cursor is on its plan."""
    path = folder / "there.toml"

    async def play(it: Driver) -> None:
        await it.press("down", "down", "down")
        plan = it.table.plan
        planfile.write(path, Document(SMALL.inputs, SMALL.space.with_("vpp", "1..8"), plan))
        await it.press("up", "up", "o")
        await it.type("there.toml")
        assert it.program.history.now.path == Path("there.toml")
        assert it.document.space.text("vpp") == "1..8"
        assert it.table.plan == plan

    drive(play)


@pytest.mark.parametrize("content", ["schema = 99\n", "not toml at all [", "", "schema = 1\n[job]\ngpus = 'many'\n"])
def test_a_damaged_or_newer_file_is_a_sentence(folder: Path, content: str) -> None:
    """What cannot be opened is refused in the prompt, and what is open stays."""
    (folder / "bad.toml").write_text(content)

    async def play(it: Driver) -> None:
        await it.press("o")
        await it.type("bad.toml")
        assert it.foot.prompt is not None
        assert "✗ bad.toml" in it.text()
        await it.press("escape")
        assert it.document == SMALL

    drive(play)


def test_changes_not_written_are_never_lost(folder: Path) -> None:
    """Opening another file keeps them an undo away; quitting, where no session keeps them, asks first."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        await it.field("sequence", "2k")
        await it.press("o")
        await it.type("mine.toml")
        await it.ready()
        assert it.document.inputs.values == SMALL.inputs.values
        await it.press("u")
        assert it.document.inputs.values["sequence"] == 2048
        await it.press("q")
        assert "not written" in it.text()
        await it.press("n")
        assert it.app.is_running

    drive(play, SMALL, path)
