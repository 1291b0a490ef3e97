"""Writing fitted constants to the files of stacks and GPUs and to constants.py. Comments are preserved."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from planner import presets
from planner.calibration.fit import Parameter
from planner.cost.error_band import FILE, Table
from planner.cost.memory_band import MemoryBand
from planner.errors import FileError
from planner.files import reader, writer
from planner.presets.toml_keys import LARGEST
from planner.specs import constants

CONSTANTS = Path(constants.__file__)
HEAD = "of memory the middle 80 % of ln(measured / predicted), of step times the errors of runs that are alike."


def places(parameter: Parameter) -> list[tuple[Path, str, float]]:
    """The places of a constant: file, key, and one unit of the key in base units."""
    if parameter.owner == "constants":
        return [(CONSTANTS, parameter.attribute, 1.0)]
    kind = f"{parameter.owner}s"
    name = parameter.attribute.rpartition(".")[2]
    keys = presets.GEMM_KEYS if "." in parameter.attribute else presets.KEYS[kind]
    key, scale = next((key, spec.scale) for key, spec in keys.items() if spec.field == name)
    folder = presets.SHIPPED / kind
    files = [folder / file for file in reader.names_in(folder, ".toml")]
    return [(file, key, scale) for file in files if _concerns(parameter, file)]


def _concerns(parameter: Parameter, file: Path) -> bool:
    """Whether a file's stack or GPU is among those that share a parameter."""
    if not parameter.names:
        return True
    return file.stem in parameter.names or (parameter.owner == "gpu" and presets.gpu(file.stem).arch in parameter.names)


def write(fitted: Mapping[Parameter, float]) -> int:
    """Write every constant to its places, to four digits, and return the count of changed numbers. FileError if a key is missing."""
    changed = 0
    for parameter, value in fitted.items():
        for file, key, scale in places(parameter):
            text = reader.text(file, LARGEST, f"is larger than {LARGEST:,} bytes")
            pattern = re.compile(rf"^(\s*{key}(?:: float)? = )[-+.\deE_]+", re.MULTILINE)
            if not pattern.search(text):
                if parameter.owner == "gpu":
                    continue  # a GPU without fitted constants has derived ones
                raise FileError(f"must have a number '{key}'", where=str(file))
            digits = f"{value / scale:.4g}"
            number = str(int(float(digits))) if "e+" in digits else digits
            new = pattern.sub(rf"\g<1>{number}", text, count=1)
            if new != text:
                writer.write(file, new)
                changed += 1
    return changed


def write_bands(steps: Table, memory: Mapping[str, MemoryBand]) -> None:
    """Write the error bands: the cells of step times with their margin and ratios, and an entry of memory per family."""
    lines = [f"# Written by `tmplan refit --write`: {HEAD}", f"margin = {steps.margin:.4f}", "", "[apart]"]
    lines += [f"{json.dumps(key)} = {value:.4f}" for key, value in sorted(steps.apart.items())] + [""]
    for name, entry in sorted(memory.items()):
        lines += ["[[band]]", f'stack = "{name}"', f"runs = {entry.runs}", f"sources = {entry.sources}"]
        lines += [f"low = {entry.low:.4f}", f"high = {entry.high:.4f}", f"sequences = {list(entry.sequences)}"]
        lines += [f"{key} = {json.dumps(getattr(entry, key))}" for key in ("precisions", "tunings")] + [""]
    for cell in steps.cells:
        lines += ["[[cell]]", f"stack = {json.dumps(cell.family)}"]
        lines += [f"{key} = {json.dumps(getattr(cell, key))}" for key in ("source", "arch", "precision", "tuning", "workstation")]
        lines += [f"sequences = {list(cell.sequences)}", f"runs = {cell.runs}"]
        lines += [f"errors = [{', '.join(f'{error:.3f}' for error in cell.errors)}]", ""]
    writer.write(FILE, "\n".join(lines))
