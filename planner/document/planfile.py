"""The plan file: a job, what the search may try, one plan and its predictions, as TOML that people read and keep in git.

    schema = 1
    [job]                      what was set, by field and in its unit: gpus = 16384
    [defaults]                 what fields nobody set stood at
    [space]                    bounds on the axes: tp = "8"
    [plan]  [predictions]      the plan and what tmplan said of it
    [presets.model] ...        the presets it rests on, in base units: a file keeps its numbers when presets change

Written whole or not at all; read back to the same numbers; refused with one sentence when damaged or newer than this program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from planner import plaintext
from planner.document import spec_tables as specfile
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
WHOLE = "# A line `# end` closes this file: where it is missing, the file was cut short.\n"
END = "# end\n"
HEADER = (
    "# A plan of tmplan: open it with `tmplan FILE`. Bytes are bytes, GiB is 2^30; edit [job] and [space], tmplan works out the rest.\n"
    + WHOLE
)


@dataclass(frozen=True)
class Document:
    """What the program has open, and what a plan file holds. `predictions` are plain values by the keys of columns.py."""

    inputs: Inputs
    space: Space = field(default_factory=Space)
    plan: Plan | None = None
    predictions: Mapping[str, Any] | None = None
    version: str = ""  # of the tmplan that made it
    source: Source | None = field(default=None, compare=False, repr=False)  # the file it comes from, whatever was set on top of it


@dataclass(frozen=True)
class Source:
    """A plan file as it was when it was read: what its bytes are told by (`atomic.digest`), and the document they hold."""

    digest: str
    document: Document


def dumps(document: Document) -> str:
    """The text of a plan file; TmplanError where the inputs name a preset that cannot be read."""
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
    tables["presets"] = {key: {"name": name, "spec": specfile.table(spec)} for (key, name), spec in used(inputs).items()}
    return HEADER + plaintext.escaped(tomli_w.dumps(tables)) + END


def write(path: str | Path, document: Document, *, over: str | None = None) -> str:
    """Write a plan file whole, or leave what was there untouched; what it is told by now. FileError and `over` as of writer.write."""
    text = dumps(document)
    writer.write(path, text, over=over)
    return atomic.digest(text.encode("utf-8"))


def read(path: str | Path) -> Document:
    """The document of a plan file; PlanFileError says in one sentence why there is none."""
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
    """Refuse a file that is no plan file, or of a schema this program does not know."""
    schema = tables.get("schema")
    if schema is None:
        raise PlanFileError("is not a plan file: it has no 'schema'; `tmplan plan --save FILE` writes one", where=where)
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise PlanFileError(f"key 'schema' must be a whole number of at least 1, not {quoted(schema)}", where=where)
    if schema > SCHEMA:
        raise PlanFileError(f"is of schema {quoted(schema)}, this tmplan reads up to {SCHEMA}; use a newer tmplan", where=where)


def _table(tables: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A table of the file; an absent one is refused."""
    if name not in tables:
        raise PlanFileError(f"table [{name}] is missing", where=where)
    if not isinstance(tables[name], dict):
        raise PlanFileError(f"key '{name}' must be a table", where=where)
    return dict(tables[name])


def _guard(make: Callable[[], Any], place: str, where: str) -> Any:
    """What a call gives; its refusal as one of this file's."""
    try:
        return make()
    except Unsupported:
        raise
    except TmplanError as error:
        said = str(error).removeprefix(f"{error.where}: ") if error.where else str(error)
        raise PlanFileError(f"[{place}] {said}", where=where) from None


def _fields(tables: Mapping[str, Any], name: str, where: str) -> dict[str, Value]:
    """The fields of [job] or [defaults], each one known and within its limits."""
    found: dict[str, Value] = {}
    for key, value in _table(tables, name, where).items():
        if key not in BY_KEY or (name == "defaults" and key not in DEFAULTS):
            raise PlanFileError(f"[{name}] {unknown(key, BY_KEY if name == 'job' else DEFAULTS)}", where=where)
        found[key] = _guard(lambda k=key, v=value: check(BY_KEY[k], v), name, where)  # type: ignore[misc]
    return found


def _presets(tables: Mapping[str, Any], where: str) -> dict[tuple[str, str], Any]:
    """The recorded presets by field and name; a field's preset may be missing, then today's is used."""
    found: dict[tuple[str, str], Any] = {}
    for key, entry in _table(tables, "presets", where).items():
        place = f"presets.{named(key)}"
        if key not in PRESETS or not isinstance(entry, dict) or set(entry) != {"name", "spec"}:
            raise PlanFileError(f"[{place}] must be one of {', '.join(PRESETS)} and hold a name and a spec", where=where)
        if not isinstance(entry["name"], str) or not isinstance(entry["spec"], dict):
            raise PlanFileError(f"[{place}] must hold a name in quotes and a table spec", where=where)
        found[key, entry["name"]] = _guard(lambda k=key, t=entry["spec"]: specfile.spec(k, t), f"{place}.spec", where)  # type: ignore[misc]
    return found


def _space(tables: Mapping[str, Any], where: str) -> Space:
    """The bounds of [space]; none where the table is absent."""
    space = Space()
    for axis, bounds in _table(tables, "space", where).items() if "space" in tables else ():
        if not isinstance(bounds, str):
            raise PlanFileError(f'[space] {named(axis)} must be text such as "8", "<=16" or "2..8", not {quoted(bounds)}', where=where)
        space = _guard(lambda s=space, a=axis, b=bounds: s.with_(a, parse_bounds(a, b)), "space", where)  # type: ignore[misc]
    return space


def _predictions(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The predictions: plain values, or tables of numbers (the parts of memory and time)."""
    for key, value in table.items():
        values = value.values() if isinstance(value, dict) else (value,)
        if any(not isinstance(v, int | float | bool | str) for v in values):
            raise PlanFileError(f"[predictions] {named(key)} must be a number, text, or a table of numbers", where=where)
        if any(isinstance(v, int) and not abs(v) < FINITE for v in values):
            raise PlanFileError(f"[predictions] {named(key)} must be a number that a prediction can be", where=where)
    return dict(table)
