"""Files are written whole or not at all; what is no file is written to, not replaced. test_planfile has a full disk and interrupts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planner import wholefile
from planner.errors import FileError


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
