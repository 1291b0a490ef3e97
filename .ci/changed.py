"""Print the tests of what changed: changed test files, and of a module a/b.py the file tests/a/test_b.py, or else its folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MOST = 12  # test files; of a larger change, the first
ALWAYS = ("tests/test_docs.py",)
NOTATIONS = "tests/planner/formula/test_notation.py"  # for a module that declares formulas


def git(*arguments: str) -> list[str]:
    """The lines that a git command prints; none where it fails."""
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return ran.stdout.split("\n") if ran.returncode == 0 else []


def changed(since: str | None) -> list[Path]:
    """Files that differ from a revision, in the work tree too, and those not yet added."""
    if since is None:
        base = next((lines[0] for name in ("origin/main", "main") if (lines := git("merge-base", "HEAD", name))), "HEAD")
        since = base if base != git("rev-parse", "HEAD")[0] else "HEAD~1"
    names = {*git("diff", "--name-only", since), *git("ls-files", "--others", "--exclude-standard")}
    return [path for name in sorted(names) if name and (path := Path(name)).is_file()]


def test_of(path: Path) -> Path | None:
    """The test file, or the folder of tests, that a changed file belongs to."""
    if path.parts[0] == "tests":
        return path if path.name.startswith("test_") and path.suffix == ".py" else None
    if path.parts[0] not in ("planner", "tui") or path.suffix not in (".py", ".toml"):
        return None
    beside = Path("tests", *path.parts[:-1], f"test_{path.stem.strip('_')}.py")
    if beside.is_file():
        return beside
    folder = Path("tests", *path.parts[:2])
    return folder if folder.is_dir() and path.suffix == ".py" and len(list(folder.glob("test_*.py"))) <= MOST else None


def main() -> None:
    """Print one path per line, no more than MOST of them, and what is always worth running."""
    since = sys.argv[1] if len(sys.argv) > 1 else None
    paths = changed(since)
    tests = sorted({str(test) for path in paths if (test := test_of(path))})
    formulas = any(path.parts[0] == "planner" and path.suffix == ".py" and "@formula(" in path.read_text() for path in paths)
    print(*tests[:MOST], *([NOTATIONS] if formulas else []), *ALWAYS, sep="\n")


if __name__ == "__main__":
    main()
