"""The plan file: a job, its search space, one plan and its predictions, as readable TOML for version control.

    schema = 1
    [job]                      fields that were set, each in its unit: gpus = 16384
    [defaults]                 values of the fields that were not set
    [space]                    bounds on the axes: tp = "8"
    [plan]  [predictions]      the plan and its predicted values
    [presets.model] ...        the presets used, in base units: a file reproduces its numbers when presets change

Written atomically; read back to the same numbers; refused with one sentence when invalid or newer than this program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from planner import plaintext
from planner.document import spec_tables as spec_tables
from planner.document.fields import BY_KEY, check
from planner.document.inputs import DEFAULTS, Inputs, Recorded, Value, used
from planner.document.space import Space, parse_bounds
from planner.errors import PlanFileError, TmplanError, Unsupported
from planner.files import atomic, decode, reader, writer
from planner.plaintext import named, quoted
from planner.presets.toml_keys import unknown
from planner.specs.plan import Plan, from_named
from planner.specs.validate import FINITE

SCHEMA = 1
LARGEST_FILE = 2**20
TABLES = ("schema", "version", "job", "defaults", "space", "plan", "predictions", "presets")
PRESETS = ("cluster", "gpu", "model", "stack")
WHOLE = "# A line `# end` closes this file: where it is missing, the file was cut short.\n"  # read back, in files of earlier versions too
END = "# end\n"
HEADER = (
    "# A plan of tmplan: open it with `tmplan FILE`. Bytes are bytes, GiB is 2^30; edit [job] and [space], tmplan computes the rest.\n"
    + WHOLE
)


@dataclass(frozen=True)
class Document:
    """The open document, and the content of a plan file. `predictions` are plain values by the keys of the columns."""

    inputs: Inputs
    space: Space = field(default_factory=Space)
    plan: Plan | None = None
    predictions: Mapping[str, Any] | None = None
    version: str = ""  # of the tmplan that wrote it
    source: Source | None = field(default=None, compare=False, repr=False)  # the file it was read from, before any edits


@dataclass(frozen=True)
class Source:
    """A plan file as read from disk: the digest of its bytes (`atomic.digest`) and the document they contain."""

    digest: str
    document: Document


def dumps(document: Document) -> str:
    """The text of a plan file; TmplanError where the inputs name an unreadable preset."""
    inputs = document.inputs
    tables: dict[str, Any] = {
        "schema": SCHEMA,
        "version": document.version,
        "job": dict(inputs.values),
        "defaults": {key: value for key, value in {**DEFAULTS, **inputs.recorded.defaults}.items() if value != ""},
        "space": {axis: document.space.text(axis) for axis in document.space.bounds},
    }
    if document.plan is not None:
        tables["plan"] = document.plan.named()
    if document.predictions is not None:
        tables["predictions"] = dict(document.predictions)
    tables["presets"] = {key: {"name": name, "spec": spec_tables.table(spec)} for (key, name), spec in used(inputs).items()}
    return HEADER + plaintext.escaped(tomli_w.dumps(tables)) + END


def write(path: str | Path, document: Document, *, over: str | None = None) -> str:
    """Write a plan file atomically and return its digest. FileError and `over` as in files.writer.write."""
    text = dumps(document)
    writer.write(path, text, over=over)
    return atomic.digest(text.encode("utf-8"))


def read(path: str | Path) -> Document:
    """The document of a plan file; PlanFileError with the reason in one sentence where it has none."""
    path = Path(path)
    beyond = f"is larger than {LARGEST_FILE:,} bytes; a plan file is a few thousand"
    content = reader.content(path, LARGEST_FILE, beyond, PlanFileError)
    try:
        document = loads(content.decode("utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise PlanFileError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None
    return replace(document, source=Source(atomic.digest(content), document))


def loads(text: str, where: str = "plan file") -> Document:
    """The document of a plan file's text."""
    lines = text.splitlines()
    if WHOLE.rstrip() in lines and END.rstrip() not in lines:
        raise PlanFileError(f"was cut short: the line that closes it, `{END.rstrip()}`, is missing", where=where)
    other = "" if "schema" in text else "; if it is another framework's file, `tmplan import` reads it"
    tables = decode.toml(text, where, PlanFileError, other)
    _check_schema(tables, where)
    for name in tables:
        if name not in TABLES:
            raise PlanFileError(unknown(name, TABLES), where=where)
    version = tables.get("version", "")
    if not isinstance(version, str):
        raise PlanFileError(f"key 'version' must be text in quotes, not {quoted(version)}", where=where)
    inputs = Inputs(_fields(tables, "job", where), Recorded(_presets(tables, where), _fields(tables, "defaults", where)))
    plan = _guard(lambda: from_named(_table(tables, "plan", where)), "plan", where) if "plan" in tables else None
    predictions = _predictions(_table(tables, "predictions", where), where) if "predictions" in tables else None
    return Document(inputs, _space(tables, where), plan, predictions, version)


def _check_schema(tables: Mapping[str, Any], where: str) -> None:
    """Refuse a file that is not a plan file, or of a schema that this program does not know."""
    schema = tables.get("schema")
    if schema is None:
        raise PlanFileError("is not a plan file: it has no 'schema'; `tmplan plan --save FILE` writes one", where=where)
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise PlanFileError(f"key 'schema' must be a whole number of at least 1, not {quoted(schema)}", where=where)
    if schema > SCHEMA:
        raise PlanFileError(f"is of schema {quoted(schema)}, this tmplan reads up to {SCHEMA}; use a newer tmplan", where=where)


def _table(tables: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A table of the file; PlanFileError where it is missing."""
    if name not in tables:
        raise PlanFileError(f"table [{name}] is missing", where=where)
    if not isinstance(tables[name], dict):
        raise PlanFileError(f"key '{name}' must be a table", where=where)
    return dict(tables[name])


def _guard(make: Callable[[], Any], place: str, where: str) -> Any:
    """The result of a call; its TmplanError as a PlanFileError of this file."""
    try:
        return make()
    except Unsupported:
        raise
    except TmplanError as error:
        message = str(error).removeprefix(f"{error.where}: ") if error.where else str(error)
        raise PlanFileError(f"[{place}] {message}", where=where) from None


def _fields(tables: Mapping[str, Any], name: str, where: str) -> dict[str, Value]:
    """The fields of [job] or [defaults], each known and within its limits."""
    result: dict[str, Value] = {}
    for key, value in _table(tables, name, where).items():
        if key not in BY_KEY or (name == "defaults" and key not in DEFAULTS):
            raise PlanFileError(f"[{name}] {unknown(key, BY_KEY if name == 'job' else DEFAULTS)}", where=where)
        result[key] = _guard(lambda k=key, v=value: check(BY_KEY[k], v), name, where)  # type: ignore[misc]
    return result


def _presets(tables: Mapping[str, Any], where: str) -> dict[tuple[str, str], Any]:
    """The recorded presets by field and name; for a missing one the current preset is used."""
    result: dict[tuple[str, str], Any] = {}
    for key, entry in _table(tables, "presets", where).items():
        place = f"presets.{named(key)}"
        if key not in PRESETS or not isinstance(entry, dict) or set(entry) != {"name", "spec"}:
            raise PlanFileError(f"[{place}] must be one of {', '.join(PRESETS)} and have a name and a spec", where=where)
        if not isinstance(entry["name"], str) or not isinstance(entry["spec"], dict):
            raise PlanFileError(f"[{place}] must have a name in quotes and a table spec", where=where)
        result[key, entry["name"]] = _guard(lambda k=key, t=entry["spec"]: spec_tables.spec(k, t), f"{place}.spec", where)  # type: ignore[misc]
    return result


def _space(tables: Mapping[str, Any], where: str) -> Space:
    """The bounds of [space]; free where the table is absent."""
    space = Space()
    for axis, bounds in _table(tables, "space", where).items() if "space" in tables else ():
        if not isinstance(bounds, str):
            raise PlanFileError(f'[space] {named(axis)} must be text such as "8", "<=16" or "2..8", not {quoted(bounds)}', where=where)
        space = _guard(lambda s=space, a=axis, b=bounds: s.with_(a, parse_bounds(a, b)), "space", where)  # type: ignore[misc]
    return space


def _predictions(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The predictions: plain values, or tables of numbers (parts of memory and time)."""
    for key, value in table.items():
        values = value.values() if isinstance(value, dict) else (value,)
        if any(not isinstance(v, int | float | bool | str) for v in values):
            raise PlanFileError(f"[predictions] {named(key)} must be a number, text, or a table of numbers", where=where)
        if any(isinstance(v, int) and not abs(v) < FINITE for v in values):
            raise PlanFileError(f"[predictions] {named(key)} must be a finite number", where=where)
    return dict(table)
