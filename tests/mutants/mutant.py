"""One mutant: a fragment of a file, and what stands in its place."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KINDS = (
    *("constant", "term", "degree", "division", "rounding", "bound", "stage", "sign", "index", "condition", "symbol"),
    *("scroll", "direction", "redraw", "target", "order", "history", "context", "width", "stale", "filter"),  # of the screen
)


class Mutant(NamedTuple):
    """A fragment that stands exactly once in a file, the fragment that breaks it, and in one word what kind of error that is."""

    file: str  # from the root of the repository
    before: str
    after: str
    kind: str  # one of KINDS
    tests: tuple[str, ...] = ()  # the files that should notice; the test file of the module if none is given

    @property
    def test_files(self) -> tuple[str, ...]:
        """The tests that should notice: tests/planner/cost/test_memory.py for planner/cost/memory.py."""
        path = Path(self.file)
        return self.tests or (str(Path("tests") / path.parent / f"test_{path.name}"),)

    def applied(self, text: str) -> str:
        """The text of the file with the fragment broken; ValueError where it does not stand exactly once."""
        count = text.count(self.before)
        if count != 1:
            raise ValueError(f"{self.file}: {self.before!r} stands {count} times in place of once")
        return text.replace(self.before, self.after)


def every_mutant(under: str = "") -> tuple[Mutant, ...]:
    """The mutants of all tables of this package, of files below a folder."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = (importlib.import_module(f"tests.mutants.{name}") for name in names if not name.startswith(("_", "test_")))
    tables = [mutant for module in modules for mutant in getattr(module, "MUTANTS", ())]
    return tuple(mutant for mutant in tables if mutant.file == under or mutant.file.startswith(f"{under.rstrip('/')}/" if under else ""))
