"""Where a path leads: links are followed, but for another user's in a folder that all may write, as Linux itself refuses them."""

from __future__ import annotations

import errno
import os
import re
import stat

HOPS = 40  # links followed; Linux follows as many
DESCRIPTOR = re.compile(r"/proc/(\d+)/fd/(\d+)")


def leads(path: str | os.PathLike[str]) -> str:
    """The absolute path with every link in it followed; what is not there stands as it was given.

    A link to an open file of this very process (/dev/stdout) is left as it is. ValueError where a link may not be followed, or no system
    takes the path; OSError where links go in a circle.
    """
    if os.name != "posix":
        return os.path.realpath(path)
    given = os.fspath(path)
    pending = (given if os.path.isabs(given) else os.path.join(os.getcwd(), given)).split("/")[::-1]
    here, hops = "/", 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        there = os.path.dirname(here) if part == ".." else os.path.join(here, part)
        link = None if part == ".." else _link(there)
        if link is None or descriptor(there) is not None:
            here = there
            continue
        hops += 1
        if hops > HOPS:
            raise OSError(errno.ELOOP, "too many links lead on from one to the next")
        if not followed(link, os.stat(here)):
            raise ValueError(f"{there} is a link of another user's, in a folder that all may write")
        target = os.readlink(there)
        here = "/" if target.startswith("/") else here
        pending += target.split("/")[::-1]
    return here


def followed(link: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a link may be followed: where all may write (a sticky folder), only one's own, or one of the folder's owner."""
    shared = stat.S_ISVTX | stat.S_IWOTH
    return link.st_uid in (os.geteuid(), folder.st_uid) or folder.st_mode & shared != shared


def descriptor(path: str) -> int | None:
    """The number of the open file of this process that a path followed by `leads` stands for; None where it stands for none."""
    found = DESCRIPTOR.fullmatch(path)
    return int(found[2]) if found and int(found[1]) == os.getpid() else None


def _link(path: str) -> os.stat_result | None:
    """What lies at a path, if that is a link."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISLNK(found.st_mode) else None
