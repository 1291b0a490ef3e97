"""Words that betray the private dialect this code was once written in: `python -m tests.english FOLDER ...` prints their places."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("planner", "tui", "tests", "themes", "docs")
SKIPPED = ("tests/golden/", "tests/english.py", "tests/test_english.py")  # program output; this check

# In docstrings, comments, messages and pages: the word or phrase, and what technical English has in its place.
PHRASES = {
    r"told": "given, stated, reported, printed, specified",
    r"tells?": "report, show, name, distinguish",
    r"said": "stated, printed, reported",
    r"asked": "requested, queried, required",
    r"kept": "stored, retained, saved, held",
    r"beside": "next to, besides, in addition to, with",
    r"so many": "a count; N; that number of",
    r"comes? to": "is, amounts to, totals",
    r"at will": "optional, arbitrary",
    r"whoever|whomever|somebody": "the user, the caller, another process",
    r"(?:a|the) person(?:'s)?": "the user",
    r"\w+'s own|of (?:its|one's|their|his|her|our|my|your) own|an own": "the user's, its, custom",
    r"goes on|go on": "continues",
    r"goes without|go without": "is not, has no",
    r"nothing (?:that|else)|nothing (?:reads?|hides?|waits?|knows?|stands?|holds?|says?)": "not, no, only",
    r"as it (?:was|is|were|stands)": "unchanged, the original",
    r"of (?:which|whom)": "a relative clause with its noun",
    r"(?<!there )(?:is|are) no(?! (?:slower|faster|worse|better|larger|smaller))": "is not a",
    r"needs not": "does not need",
    r"worked out|works? out": "computed, compute",
    r"in words": "as text, described",
    r"stands? at": "is, has the value",
    r"anew": "again, re-",
    r"giv(?:es?|en|ing) back": "return, restore",
    r"speaks? of": "describe, concern",
    r"(?:tokens|bytes|bits|FLOPs?|GB|Gb|TB|GiB|dollars|steps|hours) an? (?:second|GPU|step|hour|node|layer|token|day|rank)": "per",
}
PROSE = re.compile(r"\b(?:" + "|".join(PHRASES) + r")\b", re.IGNORECASE)
# Parts of the names of modules, classes, functions, parameters and variables.
NAME_PARTS = frozenset(("told", "tell", "tells", "said", "says", "asked", "kept", "own", "found", "beside", "heard", "wanted", "wholefile"))
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

# Names that files hold: keys of stack files, and the name of a quantity in the JSON of explanations.
HELD = frozenset(("gate_kept", "gathered_kept", "narrow_kept", "norm_kept", "rope_kept", "kept_activations"))
INLINE_CODE = re.compile(r"`[^`\n]+`")  # keys and commands in pages

Place = tuple[int, str, str]  # line, "words" or "names", what stands there


def in_text(text: str, line: int) -> Iterator[Place]:
    """The betraying phrases of one text that starts at a line."""
    for match in PROSE.finditer(text):
        yield line + text.count("\n", 0, match.start()), "words", match.group()


def in_name(name: str, line: int) -> Iterator[Place]:
    """The name, where one of its parts betrays."""
    if name not in HELD and any(part.lower() in NAME_PARTS for part in PARTS.findall(name)):
        yield line, "names", name


def defined(node: ast.AST) -> str:
    """The name that a node of a syntax tree binds; empty where it binds none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.alias):
        return node.asname or ""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) else ""


def strings(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Every string constant below a node with its line; an f-string as one text with its fields left blank."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values), node.lineno
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from strings(part.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno
    else:
        for child in ast.iter_child_nodes(node):
            yield from strings(child)


def in_module(source: str, stem: str = "") -> Iterator[Place]:
    """The places of a Python module. A string without a space is a key, not a message."""
    tree = ast.parse(source)
    yield from in_name(stem, 1)
    for node in ast.walk(tree):
        yield from in_name(defined(node), getattr(node, "lineno", 1))
    for text, line in strings(tree):
        if " " in text.strip():
            yield from in_text(text, line)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from in_text(token.string, token.start[0])


def files() -> Iterator[Path]:
    """Every file that is checked, as a path below the root."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            below = path.relative_to(ROOT)
            if path.suffix in (".py", ".toml", ".md") and not below.as_posix().startswith(SKIPPED):
                yield below
    yield from (Path("README.md"), Path("CHANGELOG.md"))


def places(path: Path) -> list[Place]:
    """The places of one file, by line."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return sorted(in_module(text, path.stem) if path.suffix == ".py" else in_text(INLINE_CODE.sub("", text), 1))


def main() -> None:
    """Print the places below the folders or files named."""
    total: Counter[str] = Counter()
    for path in files():
        if not sys.argv[1:] or any(path.is_relative_to(name) for name in sys.argv[1:]):
            for line, kind, what in places(path):
                total[kind] += 1
                print(f"{path}:{line}: {what}")
    print(f"{total['words']} words, {total['names']} names")


if __name__ == "__main__":
    main()
