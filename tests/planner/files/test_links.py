"""Symbolic links are resolved as Linux resolves them under protected_symlinks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import FileError
from planner.files import links, writer


class Status(NamedTuple):
    """The fields of a stat result that decide."""

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
    """In a sticky world-writable folder only this user's links and those of its owner are followed (sysctl protected_symlinks)."""
    monkeypatch.setattr(os, "geteuid", lambda: ME)
    assert links.may_follow(Status(link), Status(folder, mode)) == may  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["file", "folder", "chain"])
def test_another_users_link_in_a_shared_folder_is_refused(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's link is refused as the file, as a folder of the path and behind this user's link; its target is unchanged."""
    shared, home = tmp_path / "shared", tmp_path / "home"
    for folder in (shared, home):
        folder.mkdir()
    shared.chmod(0o1777)
    (home / "precious").write_text("precious")
    (shared / "link").symlink_to(home if where == "folder" else home / "precious")
    (home / "mine").symlink_to(shared / "link")
    foreign, real = (shared / "link").lstat().st_ino, links.may_follow
    monkeypatch.setattr(links, "may_follow", lambda link, folder: link.st_ino != foreign and real(link, folder))
    path = {"file": shared / "link", "folder": shared / "link" / "precious", "chain": home / "mine"}[where]
    with pytest.raises(FileError, match=r"is another user's symbolic link in a world-writable folder; nothing was changed"):
        writer.write(path, "text")
    assert (home / "precious").read_text() == "precious" and len(list(home.iterdir())) == 2


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "loop", "to-a", "to-none", "out"]), min_size=1, max_size=5))
def test_links_resolve_as_the_system_resolves_them(parts: list[str]) -> None:
    """This user's links, folders and missing names resolve to the path that os.path.realpath finds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.path.realpath(temporary))
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
            resolved = os.path.realpath(path, strict=True)
        except FileNotFoundError:
            return
        except OSError:
            with pytest.raises(OSError, match="links"):
                links.follow(path)
            return
        assert links.follow(path) == resolved
