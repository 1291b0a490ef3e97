"""Files are written whole or not at all; what is no file is written to, not replaced. test_planfile has a full disk and interrupts."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import FileError
from planner.files import links, placing
from planner.files import whole as wholefile


def test_a_file_takes_the_place_of_another_and_keeps_its_mode(tmp_path: Path) -> None:
    """The text is there whole, the mode is the former file's, and nothing else is left."""
    path = tmp_path / "out"
    path.write_text("long before")
    path.chmod(0o640)
    wholefile.write(path, "after")
    assert path.read_text() == "after" and path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_pointing_where_it_points(tmp_path: Path) -> None:
    """What a link points to is written."""
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    wholefile.write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """A pipe (as a device) gets the text; no file takes its place."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        wholefile.write(path, "text")
        assert os.read(reader, 9) == b"text" and path.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.parametrize("path", ["", "folder", "none/out", "file/out", "\0", "x" * 5000])
def test_what_cannot_be_written_is_told(tmp_path: Path, path: str) -> None:
    """A folder, a missing folder, a name no system takes: one sentence, and nothing is left behind."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(FileError, match=r"cannot be written: .*; what was there is untouched"):
        wholefile.write(f"{tmp_path}/{path}", "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"] and (tmp_path / "file").read_text() == "kept"


TEXTS = st.sampled_from(["", "a", "b", "a\nb"])


@given(before=st.none() | TEXTS, seen=st.none() | TEXTS, text=TEXTS)
def test_only_what_was_seen_is_overwritten(before: str | None, seen: str | None, text: str) -> None:
    """A file is replaced if it holds what was seen there, or the same already; any other, one that came or one that went stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        if before is not None:
            path.write_text(before)
        over = placing.NOTHING if seen is None else placing.digest(seen.encode())
        if before in (seen, text):
            wholefile.write(path, text, over=over)
            assert path.read_text() == text
        else:
            with pytest.raises(placing.Changed) as caught:
                wholefile.write(path, text, over=over)
            assert (path.read_text() if path.exists() else None) == before
            assert caught.value.found == placing.held(path)  # which is what a yes may overwrite
            wholefile.write(path, text, over=caught.value.found)
            assert path.read_text() == text
        assert list(Path(folder).iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("before", [None, "seen"])
def test_a_file_that_changes_while_it_is_written_is_noticed(
    before: str | None, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program writes between the question and the last step stays, whether the file was there or not."""
    path, real = tmp_path / "out", os.fsync
    if before is not None:
        path.write_text(before)
    over = placing.held(path)
    if not links:
        monkeypatch.setattr(os, "link", _refused)
    monkeypatch.setattr(os, "fsync", lambda handle: (path.write_text("theirs"), real(handle)))
    with pytest.raises(placing.Changed):
        wholefile.write(path, "mine", over=over)
    assert path.read_text() == "theirs" and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(os, "fsync", real)
    path.unlink()
    wholefile.write(path, "mine", over=placing.NOTHING)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def _refused(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no links here")


def test_what_comes_before_the_very_last_step_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be there, even a file that comes after it was looked for stays: to take the place and to look are one step."""
    path, looked = tmp_path / "out", os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda p: looked(p) or (path.write_text("theirs"), False)[1])
    for link in (os.link, _refused):
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(placing.Changed):
            wholefile.write(path, "mine", over=placing.NOTHING)
        assert path.read_text() == "theirs"
        path.unlink()


@contextlib.contextmanager
def modes_written() -> Iterator[list[int]]:
    """The modes of the files that are written meanwhile, as they are when their text is in them."""
    modes: list[int] = []
    real = os.fsync

    def sync(handle: int) -> None:
        modes.append(os.fstat(handle).st_mode & 0o777)
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield modes


@pytest.mark.parametrize("there", ["nothing", "a file", "a link"])
def test_a_private_file_is_for_its_owner_alone(there: str, tmp_path: Path) -> None:
    """Whatever the umask, and whatever lay there: 0600 from the first byte on, and a link is replaced, not followed."""
    other, path = tmp_path / "other", tmp_path / "mine"
    other.write_text("precious")
    if there == "a file":
        path.write_text("before")
        path.chmod(0o666)
    elif there == "a link":
        path.symlink_to(other)
    mask = os.umask(0)
    try:
        with modes_written() as modes:
            wholefile.write(path, "text", private=True)
    finally:
        os.umask(mask)
    assert modes == [0o600] and path.lstat().st_mode == stat.S_IFREG | 0o600
    assert (path.read_text(), other.read_text()) == ("text", "precious")


def test_a_closed_file_is_closed_while_it_is_written(tmp_path: Path) -> None:
    """What takes the place of a file that others may not read is at no moment readable for them."""
    path = tmp_path / "out"
    path.write_text("before")
    path.chmod(0o600)
    with modes_written() as modes:
        wholefile.write(path, "after")
    assert modes == [0o600]


class Found(NamedTuple):
    """As much of a stat result as decides."""

    st_uid: int
    st_mode: int = 0o777


ME, ROOT, OTHER = 1000, 0, 2000


@pytest.mark.parametrize(("link", "folder", "mode", "may"), [
    (ME, ROOT, 0o1777, True), (OTHER, ROOT, 0o1777, False), (ROOT, ROOT, 0o1777, True), (OTHER, OTHER, 0o1777, True),
    (OTHER, ROOT, 0o755, True), (OTHER, ROOT, 0o777, True), (OTHER, ROOT, 0o1775, True), (ROOT, ME, 0o1777, False),
])  # fmt: skip
def test_links_in_shared_folders_are_followed_as_linux_follows_them(
    link: int, folder: int, mode: int, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sticky folder that all may write only one's own links, and those of the folder's owner (sysctl protected_symlinks)."""
    monkeypatch.setattr(os, "geteuid", lambda: ME)
    assert links.followed(Found(link), Found(folder, mode)) == may  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["file", "folder", "chain"])
def test_a_link_of_anothers_in_a_shared_folder_is_refused(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as the file nor as a folder on the way nor behind a link of one's own; what it points to stays."""
    shared, home = tmp_path / "shared", tmp_path / "home"
    for folder in (shared, home):
        folder.mkdir()
    shared.chmod(0o1777)
    (home / "precious").write_text("precious")
    (shared / "link").symlink_to(home if where == "folder" else home / "precious")
    (home / "mine").symlink_to(shared / "link")
    foreign, real = (shared / "link").lstat().st_ino, links.followed
    monkeypatch.setattr(links, "followed", lambda link, folder: link.st_ino != foreign and real(link, folder))
    path = {"file": shared / "link", "folder": shared / "link" / "precious", "chain": home / "mine"}[where]
    with pytest.raises(FileError, match=r"is a link of another user's, in a folder that all may write; what was there is untouched"):
        wholefile.write(path, "text")
    assert (home / "precious").read_text() == "precious" and len(list(home.iterdir())) == 2


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "loop", "to-a", "to-none", "out"]), min_size=1, max_size=5))
def test_links_lead_where_the_system_says_they_lead(parts: list[str]) -> None:
    """Of links of one's own, of folders and of what is not there: the place that the system's own way of following them finds."""
    with tempfile.TemporaryDirectory() as given:
        folder = Path(os.path.realpath(given))
        (folder / "a" / "b").mkdir(parents=True)
        for name, target in (
            ("loop", "loop"),
            ("to-a", "a"),
            ("to-none", str(folder / "none")),
            ("a/to-a", "../a"),
            ("a/b/out", "../../a"),
        ):
            (folder / name).symlink_to(target)
        path = "/".join([str(folder), *parts])
        try:
            found = os.path.realpath(path, strict=True)
        except FileNotFoundError:
            return
        except OSError:
            with pytest.raises(OSError, match="links"):
                links.leads(path)
            return
        assert links.leads(path) == found


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reader, or with one that takes nothing, it is a sentence."""
    monkeypatch.setattr(placing, "STALL", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FileError, match=r"cannot be written: nobody reads this pipe$"):
        wholefile.write(path, "text")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(FileError, match="whoever reads this pipe takes no more"):
            wholefile.write(path, "x" * 2**22)
    finally:
        os.close(reader)
    assert path.is_fifo()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="open files by number are a thing of Linux")
@pytest.mark.parametrize("name", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_what_this_process_has_open_is_written_to_where_it_stands(name: str, tmp_path: Path) -> None:
    """`--out /dev/stdout >> log` adds to the log: the file is neither replaced nor written from its start."""
    log = tmp_path / "log"
    with log.open("w") as stream:
        stream.write("before\n")
        stream.flush()
        wholefile.write(name.format(stream.fileno()), "text\n", over=placing.NOTHING)
    assert log.read_text() == "before\ntext\n"


def test_a_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody means to write a plan over a disk."""
    monkeypatch.setattr(placing, "kind", lambda place: stat.S_IFBLK)
    with pytest.raises(FileError, match="it is a disk"):
        wholefile.write(tmp_path / "sda", "text")


def test_a_read_only_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be written is not replaced either, though its folder would allow it."""
    path = tmp_path / "out"
    path.write_text("kept")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="the file is read-only"):
        wholefile.write(path, "text")
    assert path.read_text() == "kept" and list(tmp_path.iterdir()) == [path]


def test_names_as_long_as_the_system_takes_them(tmp_path: Path) -> None:
    """255 bytes, of one or of four each: the name of the temporary file is no longer."""
    for name in ("x" * 255, "\U0001f600" * 63):
        wholefile.write(tmp_path / name, "text", over=placing.NOTHING)
        assert (tmp_path / name).read_text() == "text"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    """Written by root, a user's file stays the user's."""
    path = tmp_path / "out"
    path.write_text("before")
    os.chown(path, 12345, 12345)
    wholefile.write(path, "after")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_text()) == (12345, 12345, "after")


def test_pieces_are_written_as_their_text_would_be(tmp_path: Path) -> None:
    """Pieces that come one after another make the same file, and what holds the same already stays as it is."""
    path = tmp_path / "out"
    wholefile.write(path, iter(["a", "", "\u00e9\n"]), over=placing.NOTHING)
    assert path.read_text(encoding="utf-8") == "a\u00e9\n"
    wholefile.write(path, iter(["a\u00e9", "\n"]), over=placing.NOTHING)
    with pytest.raises(placing.Changed):
        wholefile.write(path, iter(["b"]), over=placing.NOTHING)


@pytest.mark.parametrize("error", [KeyboardInterrupt, FileError("no")])
def test_pieces_that_end_early_leave_nothing(tmp_path: Path, error: BaseException) -> None:
    """Where the making of pieces is stopped, what was there stays, and no part of the new file is left beside it."""
    path = tmp_path / "out"
    path.write_text("kept")

    def pieces() -> Iterator[str]:
        yield "half"
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        wholefile.write(path, pieces())
    assert path.read_text() == "kept" and list(tmp_path.iterdir()) == [path]
