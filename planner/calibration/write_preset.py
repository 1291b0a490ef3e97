"""Writing presets: a cluster and a GPU of the user's own as TOML files that read back to the same numbers, comments and all."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from planner import plaintext, presets
from planner.calibration.kernel_tables import FittedGemm
from planner.errors import FieldError, FileError
from planner.files import atomic, reader, writer
from planner.plaintext import quoted
from planner.presets import GEMM_KEYS, KEYS, ClusterPreset
from planner.presets.toml_keys import LARGEST, Key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FIRST = ("gpu", "gpus", "gpus_per_node", "link_domain", "link_gb_s", "nic_gbit_s", "host_memory_gib")  # in a file
TOO_LARGE = f"is larger than {LARGEST:,} bytes, which no preset is, and is left as it is; move it away first"
NOTHING = 1e-9  # a padding that a fit leaves at this is none
UNIT = {key.field: key for key in KEYS["clusters"].values()}


def named(name: str) -> str:
    """The name itself, if a preset can have it."""
    if not NAME.fullmatch(name) or name.lower().endswith((".toml", ".json")):
        raise FieldError("name", f"name must be letters, digits, '-', '_' and '.', such as our-h100, not {quoted(name)}")
    return name


def free(kind: str, name: str) -> None:
    """Refuse a name that a preset has already."""
    if name.lower() in {known.lower() for known in presets.names(kind)}:
        sentence = f"there is a preset '{name}' among the {kind} already; choose another name, or --force to put yours in its place"
        raise FieldError("name", sentence)


def rounded(shape: ClusterPreset, factors: Mapping[str, float]) -> ClusterPreset:
    """The cluster with some fields multiplied, each as a file holds it: six digits in its own unit."""
    values: dict[str, Any] = {}
    for field, factor in factors.items():
        key = UNIT[field]
        values[field] = float(f"{_unit(key, getattr(shape, field) * factor):.6g}") * key.scale
    return replace(shape, **values)


def cluster_table(shape: ClusterPreset) -> dict[str, Any]:
    """A cluster as its file has it, key by key in the key's unit; what it does not tell is left out."""
    keys = {name: KEYS["clusters"][name] for name in (*FIRST, *KEYS["clusters"])}
    values = {name: getattr(shape, key.field) for name, key in keys.items() if name not in ("name", "sources")}
    told = {name: _plain(_unit(keys[name], value)) for name, value in values.items() if value is not None}
    return told | {"sources": list(shape.sources)}


def gpu_table(gpu: str, fitted: FittedGemm, source: str) -> dict[str, Any]:
    """The file of a GPU preset with measured matrix products in place of its own; what training reaches of them stays."""
    table, spec = presets.table("gpus", gpu), presets.gpu(gpu)
    kept = {name: key for name, key in GEMM_KEYS.items() if key.type is float and name != "training_factor"}
    values = {name: _unit(key, getattr(fitted.gemm, key.field)) for name, key in kept.items()}
    gemm = {name: _plain(float(f"{value:.5g}")) if value > NOTHING else 0 for name, value in values.items()}
    table["gemm"] = gemm | {"training_factor": spec.gemm.training, "source": source}
    return {"name": spec.name, **table, "sources": [*table["sources"], f"[gemm]: {source}"]}


def text(head: Sequence[str], table: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """The text of a file: comments on top, then the table, with a note behind some of its keys."""
    lines = [f"# {printable(line)}" for line in head]
    for line in plaintext.escaped(tomli_w.dumps(dict(table))).splitlines():
        note = notes.get(line.split(" = ")[0])
        lines.append(f"{line}  # {printable(note)}" if note else line)
    return "\n".join(lines) + "\n"


def printable(line: str) -> str:
    """A line without what a comment must not hold."""
    return "".join(char if char.isprintable() else "?" for char in line)


def path_of(kind: str, name: str) -> Path:
    """Where the user's preset of this name lies."""
    return presets.user_folder() / kind / f"{name}.toml"


def save(files: Mapping[Path, str], *, force: bool = True) -> None:
    """Write all of these files, or leave all as they were: FileError, also where one is there already and is not to be overwritten."""
    former: dict[Path, str | None] = {}
    done: list[Path] = []
    try:
        for path, content in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                former[path] = reader.text(path, LARGEST, TOO_LARGE) if os.path.isfile(path) else None
            except (OSError, ValueError) as error:
                raise FileError(f"cannot be written: {reader.reason(error)}", where=str(path)) from None
            writer.write(path, content, over=None if force else atomic.ABSENT)
            done.append(path)
    except FileError:
        for path in done:
            content_before = former[path]
            with contextlib.suppress(OSError, FileError):
                if content_before is None:
                    path.unlink(missing_ok=True)
                else:
                    writer.write(path, content_before)
        raise


def _unit(key: Key, value: Any) -> Any:
    """A value in the unit of its key, free of the rounding that scaling leaves."""
    if key.type is not float:
        return value
    return float(f"{value / key.scale:.12g}")


def _plain(value: Any) -> Any:
    """A whole number without its point."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
