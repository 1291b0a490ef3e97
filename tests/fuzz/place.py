"""The folder in which everything happens: home, settings, state and temporary files, so that no other files are touched."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.ledger import ROOT

KINDS = ("gpus", "clusters", "models", "stacks")  # folders of presets
SHIPPED = ROOT / "planner" / "presets"
DROPPED = ("NO_COLOR", "COLUMNS", "LINES", "TMPLAN_THEME", "TMPLAN_TRACEBACK", "VISUAL")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tmplan-fuzz-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def enter(root: Path, name: str) -> Path:
    """Make the folder of one campaign, go there, and have tmplan, and whatever is started, see nothing but it; the folder."""
    here = root / name
    for part in ("work", "home", "config", "state", "tmp"):
        (here / part).mkdir(parents=True, exist_ok=True)
    for dropped in DROPPED:
        os.environ.pop(dropped, None)
    os.environ |= {
        "HOME": str(here / "home"), "TMPLAN_CONFIG": str(here / "config"), "TMPLAN_STATE": str(here / "state"), "TMPDIR": str(here / "tmp"),
        "XDG_CONFIG_HOME": str(here / "home/config"), "XDG_STATE_HOME": str(here / "home/state"),
        "XDG_CACHE_HOME": str(here / "home/cache"),
        "XDG_DATA_HOME": str(here / "home/data"), "EDITOR": "true", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8", "TERM": "xterm-256color",
    }  # fmt: skip
    tempfile.tempdir = None  # computed once, and cached
    os.chdir(here / "work")
    return here / "work"


def settings_folder() -> Path:
    """The folder of settings, presets and themes of this campaign."""
    return Path(os.environ["TMPLAN_CONFIG"])
