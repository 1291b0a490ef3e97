"""Detection of a file's format from its content, and reading by the module of that format."""

from __future__ import annotations

from pathlib import Path

from planner.errors import FileError
from planner.exporters.accelerate import TRAINER_FILE
from planner.files import decode, reader
from planner.importers import huggingface, megatron, torchtitan
from planner.importers.imported import Imported

LARGEST = 2**18  # bytes; splitting a script or YAML takes time quadratic in its longest word
KINDS = "a Megatron-LM command line or script, a torchtitan TOML, a DeepSpeed JSON or an accelerate YAML"


def read(path: str | Path) -> Imported:
    """The content of a file; FileError in one sentence where it cannot be read or has an unknown format."""
    imported = read_text(_text(path), str(path))
    arguments = Path(path).parent / TRAINER_FILE
    if imported.framework == "accelerate" and arguments.is_file():
        return huggingface.with_trainer(imported, _text(arguments), str(arguments))
    return imported


def _text(path: str | Path) -> str:
    """The text of a file."""
    try:
        return reader.content(path, LARGEST, "is larger than 256 KiB; a configuration is a few thousand bytes").decode("utf-8")
    except UnicodeDecodeError:
        raise FileError("cannot be read: it is not UTF-8 text", where=str(path)) from None


def read_text(text: str, where: str) -> Imported:
    """The content of a text; `where` is the file named in errors."""
    suffix = Path(where).suffix.lower()
    if suffix == ".json" or text.lstrip().startswith("{"):
        return huggingface.read_deepspeed(text, where)
    if suffix == ".toml":
        return _torchtitan(text, where)
    if megatron.is_megatron(text):
        return megatron.read(text, where)
    if suffix in (".yaml", ".yml"):
        return huggingface.read_accelerate(text, where)
    raise FileError(f"has no format that tmplan reads: {KINDS}", where=where)


def _torchtitan(text: str, where: str) -> Imported:
    """The content of a torchtitan TOML; FileError for any other TOML."""
    tables = decode.toml(text, where)
    if "schema" in tables and "job" in tables and "plan" in tables:
        raise FileError("is a plan file; open it with `tmplan FILE`", where=where)
    if not torchtitan.is_torchtitan(tables):
        raise FileError(f"has no format that tmplan reads: {KINDS}", where=where)
    return torchtitan.read(tables, where)
