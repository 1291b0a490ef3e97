"""Plan files that another program changed are overwritten only after a yes; the program's files are private."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.document import planfile
from planner.files import atomic
from tests.tui.driving import SMALL, Driver, drive
from tui.state.edits import set_text
from tui.state.session import State, dumps, loads, take


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder the program runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


OTHERS = set_text(SMALL, "gpus", "32")


def touched_up(path: Path) -> None:
    """The same plan with a comment, and the times of the file that was opened."""
    times = path.stat()
    path.write_text(path.read_text() + "# mine\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another plan": (lambda path: planfile.write(path, OTHERS), "was changed by another program since it was opened; overwrite it?"),
    "a comment": (touched_up, "was changed by another program since it was opened; overwrite it?"),
    "nothing in it": (lambda path: path.write_text(""), "was changed by another program since it was opened; overwrite it?"),
    "removed": (Path.unlink, "was removed; write it again?"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_file_is_overwritten_only_after_a_yes(what: str, folder: Path) -> None:
    """What another program wrote, by its content, is overwritten only after a yes; after that writing asks no question."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)
    change, question = CHANGES[what]

    async def play(it: Driver) -> None:
        await it.field("sequence", "2k")
        change(path)
        theirs = path.read_bytes() if path.exists() else None
        for answer in ("n", "escape", "enter"):
            await it.press("w", "enter")
            assert f"mine.toml {question}" in it.text()
            await it.press(answer)
            assert (path.read_bytes() if path.exists() else None) == theirs
            assert it.program.panes.status.status.changed
        await it.press("w", "enter", "y")
        assert planfile.read(path).inputs.values["sequence"] == 2048
        await it.field("sequence", "4k")
        await it.press("w", "enter")
        assert planfile.read(path).inputs.values["sequence"] == 4096

    drive(play, planfile.read(path), Path("mine.toml"))


def test_a_yes_holds_for_the_file_in_the_question(folder: Path) -> None:
    """A change between the question and the yes leads to another question: another change, and a file where none was."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        planfile.write(path, OTHERS)
        await it.press("w", "enter")
        path.write_text("newer")
        await it.press("y")
        assert "overwrite it?" in it.text() and path.read_text() == "newer"
        path.unlink()
        await it.press("y")
        assert "write it again?" in it.text() and not path.exists()
        path.write_text("newest")
        await it.press("y")
        assert "exists; overwrite it?" in it.text() and path.read_text() == "newest"
        await it.press("y")
        assert planfile.read(path).inputs.values == SMALL.inputs.values

    drive(play, planfile.read(path), path)


def test_another_path_can_be_taken_instead(folder: Path) -> None:
    """w at the question asks for a path again; the file that others changed stays, and later writing is to the new one."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        path.write_text("theirs")
        await it.press("w", "enter", "w")
        assert it.foot.prompt and it.foot.prompt.edit.text == str(path)
        await it.press("ctrl+u")
        await it.type("other.toml")
        assert path.read_text() == "theirs" and planfile.read("other.toml").inputs.values == SMALL.inputs.values
        await it.field("sequence", "2k")
        await it.press("w", "enter")
        assert planfile.read("other.toml").inputs.values["sequence"] == 2048

    drive(play, planfile.read(path), path)


@pytest.mark.parametrize("becomes", ["folder", "pipe"])
def test_what_is_no_file_any_more_is_a_sentence(becomes: str, folder: Path) -> None:
    """The plan file has become a folder, or a pipe without a reader: a message in the prompt, without a wait."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        path.unlink()
        path.mkdir() if becomes == "folder" else os.mkfifo(path)
        await it.press("w", "enter")
        assert ("it is a folder" if becomes == "folder" else "no process reads this pipe") in it.text()
        assert it.foot.prompt and it.foot.prompt.edit.text == str(path)

    drive(play, planfile.read(path), path, size=(300, 40))  # room for the message, however long the path


def test_what_keeps_nothing_is_no_file_of_the_plan(folder: Path) -> None:
    """Written to /dev/null, the plan is as unsaved as before."""

    async def play(it: Driver) -> None:
        await it.press("w", "ctrl+u")
        await it.type(os.devnull)
        assert "stores nothing" in it.text() and it.program.history.now.path is None and it.program.history.now.unsaved

    drive(play)


def test_undo_behind_a_write_knows_what_the_file_holds(folder: Path) -> None:
    """An earlier edit of the file that was written is not in the file: the star says so, and writing it asks nothing."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        await it.field("sequence", "2k")
        await it.press("w", "enter")
        assert not it.program.history.now.unsaved
        await it.press("u")
        assert it.program.history.now.unsaved and it.program.panes.status.status.changed
        await it.press("w", "enter")
        assert planfile.read(path).inputs.values["sequence"] == SMALL.inputs.values["sequence"]
        await it.press("U")
        assert it.program.history.now.unsaved
        await it.press("w", "enter")
        assert planfile.read(path).inputs.values["sequence"] == 2048

    drive(play, planfile.read(path), path)


def test_an_edit_from_before_a_file_was_opened_anew_asks(folder: Path) -> None:
    """Another program changed the file and it was opened again: an older edit, of what it was before, does not replace it unasked."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        await it.field("sequence", "2k")
        planfile.write(path, OTHERS)
        await it.press("o")
        await it.type("mine.toml")
        assert not it.program.history.now.unsaved
        await it.press("u")
        assert it.program.history.now.unsaved
        await it.press("w", "enter")
        assert "was changed by another program since it was opened; overwrite it?" in it.text()
        assert planfile.read(path).inputs.values["gpus"] == 32

    drive(play, planfile.read(path), path)


def test_a_change_between_two_sessions_needs_a_yes(folder: Path) -> None:
    """The session remembers what the file was: what others wrote while no program ran is noticed, by one from before digests too."""
    path = folder / "mine.toml"
    planfile.write(path, SMALL)
    states: list[State] = []

    async def edit(it: Driver) -> None:
        await it.field("sequence", "2k")
        states.append(loads(dumps(it.program.state())))

    async def write(it: Driver) -> None:
        await it.press("w", "enter")
        assert "was changed by another program since it was opened; overwrite it?" in it.text()
        assert planfile.read(path).inputs.values["gpus"] == 32

    drive(edit, planfile.read(path), path)
    planfile.write(path, OTHERS)
    drive(write, state=states[0])


def test_options_on_top_of_a_file_are_not_in_it(folder: Path) -> None:
    """`tmplan mine.toml --gpus 32` shows the file as changed; writing it asks nothing."""
    from tui.cli.inputs import document_from

    path = folder / "mine.toml"
    planfile.write(path, SMALL)

    async def play(it: Driver) -> None:
        assert it.program.history.now.unsaved and it.program.panes.status.status.changed
        await it.press("w", "enter")
        assert planfile.read(path).inputs.values["gpus"] == 32

    drive(play, document_from(str(path), {"gpus": "32"}), path)


def test_a_long_name_leaves_room_for_the_question(folder: Path) -> None:
    """At 80 columns the whole question fits next to a name of 60 characters."""
    name = f"{'long' * 15}.toml"
    planfile.write(folder / name, SMALL)

    async def play(it: Driver) -> None:
        (folder / name).write_text("theirs")
        await it.press("w", "enter")
        assert "was changed by another program since it was opened; overwrite it?" in it.text()

    drive(play, planfile.read(folder / name), Path(name), size=(80, 24))


def test_a_picture_takes_the_place_of_nothing(folder: Path) -> None:
    """A file that is there, or comes meanwhile, stays."""

    async def play(it: Driver) -> None:
        await it.press("I")
        (folder / "tmplan.svg").write_text("theirs")
        await it.press("enter")
        assert "exists; type another path" in it.text() and (folder / "tmplan.svg").read_text() == "theirs"

    drive(play)


@pytest.mark.parametrize("stored", [True, False], ids=["session", "no session"])
def test_copies_are_private(stored: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0600 next to the session, or in a folder 0700 of a random name; a link laid there is not followed."""
    (folder / "precious").write_text("precious")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    session = take(folder / "state" if stored else folder / "precious")
    if stored:
        session.first_ever = False
        (folder / "state" / "session-1-copied.toml").symlink_to(folder / "precious")
    (folder / f"tmplan-{os.getpid()}-copied.toml").symlink_to(folder / "precious")

    async def play(it: Driver) -> None:
        await it.press("y")
        path = it.program.folder.path("copied.toml")
        assert path.name in it.text()
        assert path.lstat().st_mode == stat.S_IFREG | 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
        assert planfile.read(path).inputs.values == SMALL.inputs.values
        assert it.program.folder.path("copied.toml") == path

    drive(play, session=session)
    session.close()
    assert (folder / "precious").read_text() == "precious"
    if not stored:
        assert [p.name for p in folder.glob("tmplan-*/*")] == ["copied.toml"]  # which the message named


def test_the_folder_of_what_was_edited_goes_with_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a session: a file that was read back is removed, one that could not be read stays; a replaced folder is not used."""
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    async def play(it: Driver) -> None:
        path = it.program.folder.path("edited.toml")
        path.write_text("read back")

    async def unread(it: Driver) -> None:
        it.program.folder.path("edited.toml").write_text("precious")
        it.program.dialogs.unentered.put("editor", "precious")

    async def taken(it: Driver) -> None:
        path = it.program.folder.path("edited.toml")
        path.parent.rmdir()
        (folder / "elsewhere").mkdir()
        path.parent.symlink_to(folder / "elsewhere")
        assert it.program.folder.path("edited.toml").parent != path.parent

    drive(play)
    assert not list(folder.iterdir())
    drive(taken)
    drive(unread)
    assert [p.read_text() for p in folder.glob("tmplan-*/*")] == ["precious"]


def test_fingerprints_differ(folder: Path) -> None:
    """Nothing, an empty file, content, a folder, a link, a pipe."""
    paths = [folder / name for name in ("none", "empty", "text", "folder", "link", "pipe")]
    paths[1].touch()
    paths[2].write_text("x")
    paths[3].mkdir()
    paths[4].symlink_to("text")
    os.mkfifo(paths[5])
    assert len({atomic.fingerprint(path) for path in paths}) == len(paths) and atomic.fingerprint(paths[0]) == atomic.ABSENT
