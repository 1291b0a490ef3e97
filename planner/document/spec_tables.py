"""Specs as plain tables and back, field by field and in base units, so that a plan file holds the very numbers it was made with."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from planner.errors import FieldError
from planner.plaintext import named, quoted
from planner.presets import ClusterPreset
from planner.presets.toml_keys import short, unknown
from planner.specs.hardware import Gpu
from planner.specs.job import Stack
from planner.specs.model import Model
from planner.specs.validate import FINITE

KINDS: Mapping[str, type] = {"cluster": ClusterPreset, "gpu": Gpu, "model": Model, "stack": Stack}
TOLD = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """The types of a spec's fields."""
    return get_type_hints(kind)


def table(spec: Any) -> dict[str, Any]:
    """A spec as a table: tuples as lists, specs inside it as tables, what is not told (None) left out."""
    found: dict[str, Any] = {}
    kind: Any = type(spec)
    for f in fields(spec):
        value = getattr(spec, f.name)
        if value is not None:
            found[f.name] = _out(value, hints(kind)[f.name])
    return found


def _out(value: Any, wanted: Any) -> Any:
    """One value of a table; a whole number where a number is wanted becomes one, so that it reads back the same."""
    if is_dataclass(value):
        return table(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return float(value) if float in (wanted, *get_args(wanted)) else value


def spec(key: str, values: Mapping[str, Any]) -> Any:
    """The spec of a preset field (cluster, gpu, model, stack) from its table; FieldError names the key that is wrong."""
    return _in(KINDS[key], values)


def _in(kind: type, values: Mapping[str, Any]) -> Any:
    """A spec of this kind: no key unknown, none missing, each of its type."""
    known = {f.name: f for f in fields(kind)}
    for name in values:
        if name not in known:
            raise FieldError(name, unknown(name, known))
    found = {name: _value(name, value, hints(kind)[name]) for name, value in values.items()}
    for name, f in known.items():
        optional = type(None) in get_args(hints(kind)[name])
        if name not in found and optional:
            found[name] = None
        elif name not in found and f.default is MISSING and f.default_factory is MISSING:
            raise FieldError(name, f"key '{name}' is missing")
    return kind(**found)


def _value(name: str, value: Any, wanted: Any) -> Any:
    """A value of the type its field is annotated with; FieldError if it is of another."""
    if isinstance(wanted, types.UnionType) or get_origin(wanted) is Union:
        wanted = next(w for w in get_args(wanted) if w is not type(None))
    if is_dataclass(wanted):
        if not isinstance(value, dict):
            raise FieldError(name, f"key '{named(name)}' must be a table, not {quoted(value)}")
        return _in(wanted, value)  # type: ignore[arg-type]
    if get_origin(wanted) is tuple:
        if not isinstance(value, list):
            raise FieldError(name, f"key '{named(name)}' must be a list, not {quoted(value)}")
        return tuple(_value(name, item, get_args(wanted)[0]) for item in value)
    if isinstance(get_origin(wanted), type) and issubclass(get_origin(wanted), Mapping):
        if not isinstance(value, dict):
            raise FieldError(name, f"key '{named(name)}' must be a table, not {quoted(value)}")
        return {str(k): _value(f"{name}.{k}", v, get_args(wanted)[1]) for k, v in value.items()}
    kind = (int, float) if wanted is float else wanted
    if not isinstance(value, kind) or (isinstance(value, bool) and wanted is not bool):
        raise FieldError(name, f"key '{named(name)}' must be {TOLD[wanted]}, not {quoted(value)}")
    if wanted is float and not abs(value) < FINITE:
        raise FieldError(name, f"key '{named(name)}' must be a finite number, not {quoted(value)}")
    return float(value) if wanted is float else short(name, value)
