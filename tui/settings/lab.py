"""What `tmplan verify` and its page need of this machine: the folder of what they compile once, and the Python that has the framework."""

from __future__ import annotations

import os
from pathlib import Path

from planner.errors import FileError


def cache_folder() -> Path:
    """TMPLAN_CACHE, else the platform's cache folder; FileError if there is no home folder for it. It need not exist."""
    if given := os.environ.get("TMPLAN_CACHE"):
        return Path(os.path.expanduser(given)).absolute()
    import platformdirs

    path = Path(platformdirs.user_cache_dir("tmplan"))
    if not path.is_absolute():
        raise FileError("no home folder is known for the cache; TMPLAN_CACHE names one")
    return path


def interpreter() -> str | None:
    """TMPLAN_PYTHON; None for the Python that runs tmplan."""
    return os.environ.get("TMPLAN_PYTHON") or None
