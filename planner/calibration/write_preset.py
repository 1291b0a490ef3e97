"""Writing presets of the user: clusters and GPUs as commented TOML files that read back to the same numbers."""

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
FIRST = ("gpu", "gpus", "gpus_per_node", "link_domain", "link_gb_s", "nic_gbit_s", "host_memory_gib")  # first keys of a file
TOO_LARGE = f"is larger than {LARGEST:,} bytes, so it is not a preset and not replaced; move it first"
NEGLIGIBLE = 1e-9  # smaller constants of a fit are written as 0
UNIT = {key.field: key for key in KEYS["clusters"].values()}


def named(name: str) -> str:
    """The name, if it is valid for a preset; else FieldError."""
    if not NAME.fullmatch(name) or name.lower().endswith((".toml", ".json")):
        raise FieldError("name", f"name must be letters, digits, '-', '_' and '.', such as our-h100, not {quoted(name)}")
    return name


def free(kind: str, name: str) -> None:
    """FieldError if a preset has the name already, whatever its case."""
    if name.lower() in {known.lower() for known in presets.names(kind)}:
        sentence = f"a preset '{name}' of the {kind} exists; choose another name, or replace it with --force"
        raise FieldError("name", sentence)


def rounded(shape: ClusterPreset, factors: Mapping[str, float]) -> ClusterPreset:
    """The cluster with some fields multiplied, rounded as in a file: to six digits in the unit of the key."""
    values: dict[str, Any] = {}
    for field, factor in factors.items():
        key = UNIT[field]
        values[field] = float(f"{_unit(key, getattr(shape, field) * factor):.6g}") * key.scale
    return replace(shape, **values)


def cluster_table(shape: ClusterPreset) -> dict[str, Any]:
    """The TOML table of a cluster, values in the units of the keys, without unset ones."""
    keys = {name: KEYS["clusters"][name] for name in (*FIRST, *KEYS["clusters"])}
    values = {name: getattr(shape, key.field) for name, key in keys.items() if name not in ("name", "sources")}
    table = {name: _plain(_unit(keys[name], value)) for name, value in values.items() if value is not None}
    return table | {"sources": list(shape.sources)}


def gpu_table(gpu: str, fitted: FittedGemm, source: str) -> dict[str, Any]:
    """The TOML table of a GPU preset with fitted constants of matrix products; `training_factor` is unchanged."""
    table, spec = presets.table("gpus", gpu), presets.gpu(gpu)
    keys = {name: key for name, key in GEMM_KEYS.items() if key.type is float and name != "training_factor"}
    values = {name: _unit(key, getattr(fitted.gemm, key.field)) for name, key in keys.items()}
    gemm = {name: _plain(float(f"{value:.5g}")) if value > NEGLIGIBLE else 0 for name, value in values.items()}
    table["gemm"] = gemm | {"training_factor": spec.gemm.training, "source": source}
    return {"name": spec.name, **table, "sources": [*table["sources"], f"[gemm]: {source}"]}


def text(head: Sequence[str], table: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """The text of a file: comments, then the table, with notes as comments after some keys."""
    lines = [f"# {printable(line)}" for line in head]
    for line in plaintext.escaped(tomli_w.dumps(dict(table))).splitlines():
        note = notes.get(line.split(" = ")[0])
        lines.append(f"{line}  # {printable(note)}" if note else line)
    return "\n".join(lines) + "\n"


def printable(line: str) -> str:
    """A line with `?` for characters that are invalid in a comment."""
    return "".join(char if char.isprintable() else "?" for char in line)


def path_of(kind: str, name: str) -> Path:
    """The path of the user's preset with this name."""
    return presets.user_folder() / kind / f"{name}.toml"


def save(files: Mapping[Path, str], *, force: bool = True) -> None:
    """Write all files, or restore all and raise FileError; without `force`, also if a file exists already."""
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
    """A value in the unit of its key, rounded to 12 digits to remove errors of scaling."""
    if key.type is not float:
        return value
    return float(f"{value / key.scale:.12g}")


def _plain(value: Any) -> Any:
    """A float that is a whole number as an int, so that it is written without a decimal point."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
