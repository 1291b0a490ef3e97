"""A file of another framework, whichever it is: told apart by what it holds, read by its own module."""

from __future__ import annotations

from pathlib import Path

from planner.errors import FileError
from planner.exporters.accelerate import BESIDE
from planner.files import decode, reader
from planner.importers import huggingface, megatron, torchtitan
from planner.importers.imported import Imported

LARGEST = 2**18  # bytes; to take a script or YAML apart in words takes time that grows with the square of the longest
KINDS = "a Megatron-LM command line or script, a torchtitan TOML, a DeepSpeed JSON or an accelerate YAML"


def read(path: str | Path) -> Imported:
    """What a file came to; FileError in one sentence where it cannot be read or is of no kind that is."""
    found = read_text(_text(path), str(path))
    beside = Path(path).parent / BESIDE
    if found.framework == "accelerate" and beside.is_file():
        return huggingface.with_trainer(found, _text(beside), str(beside))
    return found


def _text(path: str | Path) -> str:
    """The text of a file."""
    try:
        return reader.content(path, LARGEST, "is larger than 256 KiB, which no configuration is").decode("utf-8")
    except UnicodeDecodeError:
        raise FileError("cannot be read: it is not UTF-8 text", where=str(path)) from None


def read_text(text: str, where: str) -> Imported:
    """What a text came to; `where` names its file."""
    suffix = Path(where).suffix.lower()
    if suffix == ".json" or text.lstrip().startswith("{"):
        return huggingface.read_deepspeed(text, where)
    if suffix == ".toml":
        return _torchtitan(text, where)
    if megatron.is_megatron(text):
        return megatron.read(text, where)
    if suffix in (".yaml", ".yml"):
        return huggingface.read_accelerate(text, where)
    raise FileError(f"is none that tmplan can read: {KINDS}", where=where)


def _torchtitan(text: str, where: str) -> Imported:
    tables = decode.toml(text, where)
    if "schema" in tables and "job" in tables and "plan" in tables:
        raise FileError("is a plan file of tmplan's own; open it with `tmplan FILE`", where=where)
    if not torchtitan.is_torchtitan(tables):
        raise FileError(f"is none that tmplan can read: {KINDS}", where=where)
    return torchtitan.read(tables, where)
