"""Texts that files, arguments and the environment may hold to harm a terminal or a reader, and what no output may hold of them."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from planner.document.planfile import Document, dumps

# Writes the clipboard and the title, moves the cursor (by C1 too), writes over a line, turns its order, hides in a line, makes two of it.
NAME = "n\x1b]52;c;ZXZpbA==\x07\x1b]0;t\x07\x9b2J\x1b[2J\r\b\u202egnp.exe\u2066\u200f\ufeff\u2028\u200b\ne\u0301\u0335\u0336\u200d\x7f=v"
HOSTILE = NAME + "\x00\ud800"  # which no file name and no TOML holds


def hidden(text: str) -> list[str]:
    """Characters of a text that a terminal acts on, that turn the order of others, or that make two lines of one."""
    acts = ("Cc", "Cs", "Zl", "Zp")
    turns = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    marks = "\u061c\u200b\u200e\u200f\u2060\ufeff"
    return [c for c in text if c not in "\n\t" and (unicodedata.category(c) in acts or unicodedata.bidirectional(c) in turns or c in marks)]


def hostile_plan(document: Document, path: Path, name: str = NAME) -> str:
    """A plan file in which every preset is called by a hostile name; its path."""
    tables: dict[str, Any] = tomllib.loads(dumps(document))
    for key, preset in tables["presets"].items():
        tables["job"][key] = preset["name"] = preset["spec"]["name"] = f"{name} {key}"
    return written(path, tables)


def written(path: Path, tables: Mapping[str, Any]) -> str:
    """A file of TOML; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")
    return str(path)
