"""Runs each mutant against the tests of its module, in a temporary copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutant import ROOT, Mutant

COPIED = ("planner", "tui", "themes", "tests", "pyproject.toml", "README.md", "docs")
WORKERS = 2
LIMIT = 300.0  # seconds; a mutant that takes longer is caught


class Broken(Exception):
    """The tests do not run: they fail unchanged, or a mutant is not valid Python."""


def copy_of(root: Path, into: Path) -> Path:
    """A copy of what the tests need."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copy(source, into / name)
    return into


def status(copy: Path, tests: Sequence[str]) -> int:
    """The exit code of pytest over some test files of a copy; 1 where a test fails, or they take too long."""
    variables = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        *tests,
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        "--basetemp",
        str(copy / "temporary"),
    ]
    try:
        done = subprocess.run(command, cwd=copy, env=variables, capture_output=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


def caught(copy: Path, mutant: Mutant) -> bool:
    """Whether the tests of a mutant's module fail with it; Broken where they do not run."""
    path = copy / mutant.file
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutant.applied(whole), encoding="utf-8")
        code = status(copy, mutant.test_files)
    finally:
        path.write_text(whole, encoding="utf-8")
    if code not in (0, 1):
        raise Broken(f"{mutant.file}: {mutant.after!r}: pytest ends with {code}")
    return code == 1


def outcomes(mutants: Sequence[Mutant], root: Path = ROOT) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant with whether it was caught, in their order; two at a time. Broken where the tests fail without any."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for i in range(WORKERS):
            copies.put(copy_of(root, Path(folder, str(i))))

        def one(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                return caught(copy, mutant)
            finally:
                copies.put(copy)

        first = Path(folder, "0")
        for tests in sorted({mutant.test_files for mutant in mutants}):
            if status(first, tests) != 0:
                raise Broken(f"{', '.join(tests)} fails without a mutant")
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from zip(mutants, pool.map(one, mutants), strict=True)


def table(results: Iterable[tuple[Mutant, bool]]) -> Iterator[str]:
    """The lines of the report: modules with their mutants and those caught by their tests, then those that were not."""
    missed: list[Mutant] = []
    counts: dict[str, list[int]] = {}
    for mutant, seen in results:
        row = counts.setdefault(mutant.file, [0, 0])
        row[0] += 1
        row[1] += seen
        if not seen:
            missed.append(mutant)
    width = max([len(file) for file in counts] + [len("module")])
    yield f"{'module':<{width}}  mutants  caught"
    rows = [*sorted(counts.items()), ("all", [sum(row[i] for row in counts.values()) for i in (0, 1)])]
    for file, (total, noticed) in rows:
        yield f"{file:<{width}}  {total:7d}  {noticed:6d}  {100 * noticed / max(total, 1):5.1f} %"
    for mutant in missed:
        yield f"not caught  {mutant.file} ({mutant.kind}): {mutant.before.strip()}  ->  {mutant.after.strip()}"
