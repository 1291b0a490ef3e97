"""The date of a measured run's software: its column, else the version or the date in the name of its framework."""

from __future__ import annotations

import re
from collections.abc import Mapping

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.runs.row import Row, cell

NEWEST = "9999"  # after every release
# Published runs of these without a date are of that year; those of other frameworks are taken for the newest release.
UNDATED: Mapping[str, str] = {"transformers": "2024-06", "deepspeed": "2024-06", "torchtitan": "2024-12"}
# Words before a version in the name of a framework -> month of each release: tags of its repository.
VERSIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("megatron-bridge", {"0.1": "2025-10", "0.2": "2025-11", "0.3": "2026-02", "0.4": "2026-04", "0.5": "2026-06", "0.6": "2026-08"}),
    ("(?:megatron[- ]core|mcore|core)", {
        "0.3": "2023-06", "0.4": "2023-12", "0.5": "2024-02", "0.6": "2024-04", "0.7": "2024-05", "0.8": "2024-08", "0.9": "2024-10",
        "0.10": "2025-02", "0.11": "2025-03", "0.12": "2025-05", "0.13": "2025-07", "0.14": "2025-10", "0.15": "2025-12",
        "0.16": "2026-02", "0.17": "2026-04", "0.18": "2026-06", "0.19": "2026-08",
    }),
    ("torchtitan", {"0.1": "2025-06", "0.2": "2025-10", "0.2.1": "2025-12", "0.2.2": "2026-02", "0.3": "2026-08"}),
    ("nanotron", {"0.1": "2024-02", "0.2": "2024-02", "0.3": "2024-02", "0.4": "2024-03", "0.5": "2024-04"}),
    ("transformer ?engine", {
        "1.0": "2023-10", "1.2": "2023-12", "1.5": "2024-04", "1.7": "2024-05", "1.9": "2024-08", "1.11": "2024-10", "1.13": "2024-12",
        "2.0": "2025-02", "2.2": "2025-04", "2.4": "2025-06", "2.6": "2025-07", "2.8": "2025-10", "2.10": "2025-11", "2.11": "2025-12",
        "2.12": "2026-01", "2.14": "2026-04", "2.16": "2026-05", "2.18": "2026-08",
    }),
)  # fmt: skip
CONTAINER = re.compile(r"\b(2[0-9])\.(0[1-9]|1[0-2])\b")  # NVIDIA's: 23.09 is of September 2023
WRITTEN = re.compile(r"\b20\d\d-(?:0[1-9]|1[0-2])\b")


def dated(row: Row, stack: str) -> str:
    """The date of a run, YYYY-MM or YYYY-MM-DD, where none is given that of its stack's runs; FieldError for another text."""
    return stated(row) or UNDATED.get(stack, NEWEST)


def stated(row: Row) -> str:
    """The date given in a row, in its column or in the name of its framework; empty without one. FieldError for another text."""
    released = cell(row, "released")
    if released and not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])(-\d\d)?", released):
        raise FieldError("released", f"column 'released' must be a year and month such as 2026-05, not {quoted(released)}")
    return released or _named(cell(row, "framework").lower())


def _named(name: str) -> str:
    """The month that a framework's name gives: as a date, by a version, or by NVIDIA's container; empty without one."""
    if written := WRITTEN.search(name):
        return written[0]
    for words, months in VERSIONS:
        version = re.search(rf"\b{words}[ _-]+[rv]?((\d+\.\d+)(?:\.\d+)?)\b", name)
        month = months.get(version[1], months.get(version[2], "")) if version else ""
        if month:
            return month
    container = CONTAINER.search(name)
    return f"20{container[1]}-{container[2]}" if container else ""
