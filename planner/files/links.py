"""Resolution of symbolic links under the rule of Linux's protected_symlinks, which Python's os.path.realpath does not apply."""

from __future__ import annotations

import errno
import os
import re
import stat

HOPS = 40  # links followed; the limit of Linux
DESCRIPTOR = re.compile(r"/proc/(\d+)/fd/(\d+)")


def follow(path: str | os.PathLike[str]) -> str:
    """The absolute path with every symbolic link resolved; components that do not exist are left unchanged.

    A link to an open file of this process (/dev/stdout) is not resolved. Raises ValueError for a link that may not be followed and for
    a path that the system does not accept, OSError for a cycle of links.
    """
    if os.name != "posix":
        return os.path.realpath(path)
    name = os.fspath(path)
    pending = (name if os.path.isabs(name) else os.path.join(os.getcwd(), name)).split("/")[::-1]
    resolved, hops = "/", 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        step = os.path.dirname(resolved) if part == ".." else os.path.join(resolved, part)
        link = None if part == ".." else _link(step)
        if link is None or descriptor(step) is not None:
            resolved = step
            continue
        hops += 1
        if hops > HOPS:
            raise OSError(errno.ELOOP, f"more than {HOPS} symbolic links")
        if not may_follow(link, os.stat(resolved)):
            raise ValueError(f"{step} is another user's symbolic link in a world-writable folder")
        target = os.readlink(step)
        resolved = "/" if target.startswith("/") else resolved
        pending += target.split("/")[::-1]
    return resolved


def may_follow(link: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a link may be followed: in a sticky world-writable folder only if its owner is this user or the owner of the folder."""
    shared = stat.S_ISVTX | stat.S_IWOTH
    return link.st_uid in (os.geteuid(), folder.st_uid) or folder.st_mode & shared != shared


def descriptor(path: str) -> int | None:
    """The file descriptor of this process that a path resolved by `follow` names; None for any other path."""
    match = DESCRIPTOR.fullmatch(path)
    return int(match[2]) if match and int(match[1]) == os.getpid() else None


def _link(path: str) -> os.stat_result | None:
    """The status of the symbolic link at a path; None for anything else."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status if stat.S_ISLNK(status.st_mode) else None
