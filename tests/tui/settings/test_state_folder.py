"""The folder of sessions: private, and files of other users in it are never followed, truncated or used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.tui.state.test_session import lies, state
from tui.settings import state_folder
from tui.state.session import SLOTS, take


def mode(path: Path) -> int:
    """Who may read and write a file."""
    return path.lstat().st_mode & 0o777


@pytest.mark.parametrize("there", [None, 0o755, 0o777, 0o700])
def test_a_session_is_for_its_owner_alone(there: int | None, tmp_path: Path) -> None:
    """Session and lock are 0600 in a folder 0700, whatever the umask, also where the folder, a lock and a session were there and open."""
    where, mask = tmp_path / "a" / "state", os.umask(0)
    try:
        if there is not None:
            where.mkdir(parents=True)
            for name in ("session-1.json", "session-1.lock", "session-1-edited.toml"):
                (where / name).touch(0o644)
            where.chmod(there)
        slot = take(where)
        slot.write(state())
        slot.close()
    finally:
        os.umask(mask)
    assert mode(where) == 0o700
    assert mode(lies(slot)) == mode(where / "session-1.lock") == 0o600


@pytest.mark.parametrize("why", ["it holds something else", "it is sticky"])
def test_a_folder_that_is_used_for_other_things_stays_open(why: str, tmp_path: Path) -> None:
    """TMPLAN_STATE may name a home or a shared folder: that is closed to nobody; the files are."""
    tmp_path.chmod(0o1777 if "sticky" in why else 0o755)
    if "else" in why:
        (tmp_path / "notes").touch()
    slot = take(tmp_path)
    slot.write(state())
    slot.close()
    assert mode(tmp_path) == (0o777 if "sticky" in why else 0o755) and mode(lies(slot)) == 0o600


@pytest.mark.parametrize("how", ["link", "dangling", "hard link", "pipe", "folder"])
def test_a_lock_is_no_other_file(how: str, tmp_path: Path) -> None:
    """A link in the place of a lock is not followed, what it names is neither emptied nor made, and the next slot is taken."""
    state_folder, other = tmp_path / "state", tmp_path / "precious"
    state_folder.mkdir()
    lock = state_folder / "session-1.lock"
    if how != "dangling":
        other.write_text("precious")
    if how in ("link", "dangling"):
        lock.symlink_to(other)
    elif how == "hard link":
        lock.hardlink_to(other)
    elif how == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    slot = take(state_folder)
    slot.close()
    assert slot.number == 2
    assert other.read_text() == "precious" if how != "dangling" else not other.exists()


def test_a_lock_that_holds_something_is_not_emptied(tmp_path: Path) -> None:
    """With arbitrary contents."""
    (tmp_path / "session-1.lock").write_text("a note")
    slot = take(tmp_path)
    slot.close()
    assert slot.number == 1 and (tmp_path / "session-1.lock").read_text() == "a note"


@pytest.mark.parametrize("name", ["session-1.lock", "session-1.json"])
@pytest.mark.parametrize(("open_", "number"), [(0o1777, 2), (0o700, 1)])
def test_files_of_others_are_no_session(name: str, open_: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder writable by others, another user's files are never used; in a private one all files are this user's."""
    (tmp_path / name).touch()
    theirs, tmp_path_mode = (tmp_path / name).stat().st_ino, open_
    tmp_path.chmod(tmp_path_mode)
    mine = state_folder._mine
    monkeypatch.setattr(state_folder, "_mine", lambda result: result.st_ino != theirs and mine(result))
    slot = take(tmp_path)
    slot.close()
    assert slot.number == number


def test_where_every_slot_is_anothers_it_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no session is saved, and the message names a file that is in the way."""
    tmp_path.chmod(0o1777)
    for number in range(1, SLOTS + 1):
        (tmp_path / f"session-{number}.lock").touch()
    monkeypatch.setattr(state_folder, "_mine", lambda result: stat.S_ISDIR(result.st_mode))
    slot = take(tmp_path)
    assert not slot.writable and slot.problem == f"the session cannot be saved: session-1.lock there belongs to another user ({tmp_path})"


UNUSABLE = {
    "file": "{}/file", "under a file": "{}/file/x", "device": "/dev/null/x", "long": "{}/" + "x" * 300, "longer": "{}/" + "x/" * 2500,
    "null": "{}/a\0b", "dangling": "{}/link/x", "circle": "{}/circle", "pipe": "{}/pipe",
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_state_folder_that_cannot_be_is_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a pipe, a name no system takes, a link in a circle: no session, the reason, and nothing there is touched."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    there = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "environ", {**os.environ, "TMPLAN_STATE": UNUSABLE[name].format(tmp_path)})  # which takes a null byte
    slot = take()
    assert not slot.writable and slot.path is None
    assert slot.problem.startswith("the session cannot be saved: ") and "\n" not in slot.problem
    slot.write(state())
    assert sorted(tmp_path.iterdir()) == there and (tmp_path / "file").read_text() == "kept"


def test_a_relative_state_folder_lies_where_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stays there, wherever the process goes; ~ is the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPLAN_STATE", "state")
    slot = take()
    slot.close()
    assert lies(slot) == tmp_path / "state" / "session-1.json"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPLAN_STATE", "~/state")
    slot = take()
    slot.close()
    assert lies(slot) == tmp_path / "home" / "state" / "session-1.json"


def test_without_a_home_no_folder_is_made_where_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home: no session is saved, and the message names TMPLAN_STATE."""
    import platformdirs

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TMPLAN_STATE", raising=False)
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda name: f"~/.local/state/{name}")
    slot = take()
    assert "TMPLAN_STATE names one" in slot.problem and not list(tmp_path.iterdir())


def test_what_a_killed_program_left_half_written_is_removed(tmp_path: Path) -> None:
    """Of the slot that is taken: of one that another program may hold nothing is."""
    left = [tmp_path / name for name in (".session-1.json.0a1b.tmp", ".session-1-edited.toml.0a1b.tmp")]
    others = [tmp_path / name for name in (".session-12.json.0a1b.tmp", ".session-2.json.0a1b.tmp", "session-1.unread.json")]
    for path in (*left, *others):
        path.touch()
    slot = take(tmp_path)
    slot.close()
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)
