"""Files are written completely or not at all; pipes and devices are written to, not replaced. test_planfile has disk-full cases."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import FileError
from planner.files import atomic, writer


def test_a_file_takes_the_place_of_another_and_keeps_its_mode(tmp_path: Path) -> None:
    """The text is complete, the mode is that of the replaced file, and no other file is left."""
    path = tmp_path / "out"
    path.write_text("long before")
    path.chmod(0o640)
    writer.write(path, "after")
    assert path.read_text() == "after" and path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_pointing_where_it_points(tmp_path: Path) -> None:
    """The target of a link is written, the link unchanged."""
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    writer.write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """A pipe receives the text and is not replaced by a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        writer.write(path, "text")
        assert os.read(reader, 9) == b"text" and path.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.parametrize("path", ["", "folder", "none/out", "file/out", "\0", "x" * 5000])
def test_an_unwritable_path_is_refused_in_a_sentence(tmp_path: Path, path: str) -> None:
    """A folder, a missing folder, an invalid name: one sentence, and no file is left behind."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("before")
    with pytest.raises(FileError, match=r"cannot be written: .*; nothing was changed"):
        writer.write(f"{tmp_path}/{path}", "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"] and (tmp_path / "file").read_text() == "before"


TEXTS = st.sampled_from(["", "a", "b", "a\nb"])


@given(before=st.none() | TEXTS, seen=st.none() | TEXTS, text=TEXTS)
def test_only_what_was_seen_is_overwritten(before: str | None, seen: str | None, text: str) -> None:
    """A file is replaced if it has the content seen there or the new content; any other, new or deleted one is left unchanged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        if before is not None:
            path.write_text(before)
        over = atomic.ABSENT if seen is None else atomic.digest(seen.encode())
        if before in (seen, text):
            writer.write(path, text, over=over)
            assert path.read_text() == text
        else:
            with pytest.raises(atomic.Changed) as caught:
                writer.write(path, text, over=over)
            assert (path.read_text() if path.exists() else None) == before
            assert caught.value.current == atomic.fingerprint(path)  # which the user may then choose to overwrite
            writer.write(path, text, over=caught.value.current)
            assert path.read_text() == text
        assert list(Path(folder).iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("before", [None, "seen"])
def test_a_file_that_changes_while_it_is_written_is_noticed(
    before: str | None, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program writes between the check and the rename is not overwritten, whether the file existed or not."""
    path, real = tmp_path / "out", os.fsync
    if before is not None:
        path.write_text(before)
    over = atomic.fingerprint(path)
    if not links:
        monkeypatch.setattr(os, "link", _refused)
    monkeypatch.setattr(os, "fsync", lambda handle: (path.write_text("theirs"), real(handle)))
    with pytest.raises(atomic.Changed):
        writer.write(path, "mine", over=over)
    assert path.read_text() == "theirs" and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(os, "fsync", real)
    path.unlink()
    writer.write(path, "mine", over=atomic.ABSENT)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def _refused(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no hard links")


def test_what_comes_before_the_very_last_step_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that appears after the check is not overwritten where none may exist: check and rename are one atomic step."""
    path, looked = tmp_path / "out", os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda p: looked(p) or (path.write_text("theirs"), False)[1])
    for link in (os.link, _refused):
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(atomic.Changed):
            writer.write(path, "mine", over=atomic.ABSENT)
        assert path.read_text() == "theirs"
        path.unlink()


@contextlib.contextmanager
def modes_written() -> Iterator[list[int]]:
    """The modes of the files written meanwhile, at the moment of their fsync."""
    modes: list[int] = []
    real = os.fsync

    def sync(handle: int) -> None:
        modes.append(os.fstat(handle).st_mode & 0o777)
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield modes


@pytest.mark.parametrize("there", ["absent", "a file", "a link"])
def test_a_private_file_is_for_its_owner_alone(there: str, tmp_path: Path) -> None:
    """For any umask and any existing file the mode is 0600 from the first byte, and a link is replaced, not followed."""
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
            writer.write(path, "text", private=True)
    finally:
        os.umask(mask)
    assert modes == [0o600] and path.lstat().st_mode == stat.S_IFREG | 0o600
    assert (path.read_text(), other.read_text()) == ("text", "precious")


def test_a_private_mode_holds_while_the_file_is_written(tmp_path: Path) -> None:
    """The replacement of a file that others may not read is never readable for them."""
    path = tmp_path / "out"
    path.write_text("before")
    path.chmod(0o600)
    with modes_written() as modes:
        writer.write(path, "after")
    assert modes == [0o600]


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without a reader, or whose reader takes nothing, is refused in a sentence."""
    monkeypatch.setattr(atomic, "STALL", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FileError, match=r"cannot be written: no process reads this pipe$"):
        writer.write(path, "text")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(FileError, match="the process that reads this pipe accepts no more data"):
            writer.write(path, "x" * 2**22)
    finally:
        os.close(reader)
    assert path.is_fifo()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="file descriptors have paths only on Linux")
@pytest.mark.parametrize("name", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_an_open_file_of_this_process_is_appended_to(name: str, tmp_path: Path) -> None:
    """`--out /dev/stdout >> log` appends to the log: the file is neither replaced nor written from its start."""
    log = tmp_path / "log"
    with log.open("w") as stream:
        stream.write("before\n")
        stream.flush()
        writer.write(name.format(stream.fileno()), "text\n", over=atomic.ABSENT)
    assert log.read_text() == "before\ntext\n"


def test_a_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block device is not written to."""
    monkeypatch.setattr(atomic, "file_type", lambda place: stat.S_IFBLK)
    with pytest.raises(FileError, match="it is a block device"):
        writer.write(tmp_path / "sda", "text")


def test_a_read_only_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file is not replaced, though its folder would allow it."""
    path = tmp_path / "out"
    path.write_text("before")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="the file is read-only"):
        writer.write(path, "text")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_names_as_long_as_the_system_takes_them(tmp_path: Path) -> None:
    """Names of 255 bytes, of one or four bytes per character, are written: the name of the temporary file is shorter."""
    for name in ("x" * 255, "\U0001f600" * 63):
        writer.write(tmp_path / name, "text", over=atomic.ABSENT)
        assert (tmp_path / name).read_text() == "text"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the owner")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    """A user's file that root writes remains the user's."""
    path = tmp_path / "out"
    path.write_text("before")
    os.chown(path, 12345, 12345)
    writer.write(path, "after")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_text()) == (12345, 12345, "after")


def test_pieces_are_written_as_their_text_would_be(tmp_path: Path) -> None:
    """Pieces produce the same file as their concatenation, and an identical existing file is left unchanged."""
    path = tmp_path / "out"
    writer.write(path, iter(["a", "", "\u00e9\n"]), over=atomic.ABSENT)
    assert path.read_text(encoding="utf-8") == "a\u00e9\n"
    writer.write(path, iter(["a\u00e9", "\n"]), over=atomic.ABSENT)
    with pytest.raises(atomic.Changed):
        writer.write(path, iter(["b"]), over=atomic.ABSENT)


@pytest.mark.parametrize("error", [KeyboardInterrupt, FileError("no")])
def test_pieces_that_end_early_leave_nothing(tmp_path: Path, error: BaseException) -> None:
    """An exception while pieces are produced leaves the former file and no temporary file."""
    path = tmp_path / "out"
    path.write_text("before")

    def pieces() -> Iterator[str]:
        yield "half"
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        writer.write(path, pieces())
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
