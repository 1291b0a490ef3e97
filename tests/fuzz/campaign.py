"""What a campaign is: a way to draw an input by chance, and the check of what was promised of it. The registry of them all."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

STAMP = 10**18  # nanoseconds since 1970
Case = dict[str, Any]  # an input as JSON holds it: bytes as text of one character each (see nasty.packed)


class Broken(Exception):
    """A promise that does not hold. `promise` is short and the same for every input that breaks it; `detail` is of this input."""

    def __init__(self, promise: str, detail: object = "") -> None:
        self.promise, self.detail = promise, str(detail)
        super().__init__(f"{promise}: {self.detail}" if self.detail else promise)


def need(holds: object, promise: str, detail: object = "") -> None:
    """Broken where a promise does not hold."""
    if not holds:
        raise Broken(promise, detail)


@dataclass
class Bench:
    """The workplace of a campaign: a separate folder, and the largest value of every figure it measured."""

    folder: Path
    measured: dict[str, float] = field(default_factory=dict)
    made: int = 0

    def measure(self, what: str, value: float) -> None:
        """Record a figure for the report, the largest so far."""
        self.measured[what] = max(value, self.measured.get(what, value))

    def empty(self) -> Path:
        """The folder, with nothing in it."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
                shutil.rmtree(path)
            else:
                path.unlink()
        return self.folder

    def put(self, path: Path, data: bytes) -> Path:
        """A file at a path, with a unique time stamp: contents are cached by time stamp."""
        self.made += 1
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(STAMP + self.made, STAMP + self.made))
        return path

    def file(self, name: str, data: bytes) -> Path:
        """A file of this content in a separate folder."""
        folder = self.folder / f"f{self.made % 64}"
        folder.mkdir(exist_ok=True)
        return self.put(folder / name, data)


@dataclass(frozen=True)
class Campaign:
    """One campaign.

    draw: an input; the same for the same state of the generator. check: returns where the promises hold, raises TmplanError where the
    input was refused as it should be, Broken or anything else where not; what it needs of chance is in the case. shrinks: keys of the
    case that may be made shorter when a fault is reported. limit: seconds that one input may take. tries: calls spent on shrinking a fault.
    """

    name: str
    about: str
    draw: Callable[[Random], Case]
    check: Callable[[Case, Bench], None]
    weight: float = 1.0
    shrinks: tuple[str, ...] = ()
    limit: float = 20.0
    tries: int = 150


_known: dict[str, Campaign] = {}


def register(campaign: Campaign) -> Campaign:
    """Make a campaign known by its name."""
    _known[campaign.name] = campaign
    return campaign


def campaigns() -> Mapping[str, Campaign]:
    """Every campaign by its name, in order of their names."""
    from tests.fuzz import campaigns as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_known.items()))
