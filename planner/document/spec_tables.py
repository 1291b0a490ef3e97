"""Specs as plain tables and back, field by field and in base units, so that a plan file reproduces its numbers exactly."""

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
TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """The type hints of a spec's fields."""
    return get_type_hints(kind)


def table(spec: Any) -> dict[str, Any]:
    """A spec as a table: tuples as lists, nested specs as tables, in lists too, None left out."""
    result: dict[str, Any] = {}
    kind: Any = type(spec)
    for f in fields(spec):
        value = getattr(spec, f.name)
        if value is not None:
            result[f.name] = _out(value, hints(kind)[f.name])
    return result


def _out(value: Any, expected: Any) -> Any:
    """One value of a table; an integer in a float field becomes a float, so that it reads back equal."""
    if is_dataclass(value):
        return table(value)
    if isinstance(value, tuple):
        return [table(item) if is_dataclass(item) else item for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return float(value) if float in (expected, *get_args(expected)) else value


def spec(key: str, values: Mapping[str, Any]) -> Any:
    """The spec of a preset field (cluster, gpu, model, stack) from its table; FieldError names the key at fault."""
    return _in(KINDS[key], values)


def _in(kind: type, values: Mapping[str, Any]) -> Any:
    """A spec of a type from its table; FieldError for an unknown key, a missing key or a value of another type."""
    known = {f.name: f for f in fields(kind)}
    for name in values:
        if name not in known:
            raise FieldError(name, unknown(name, known))
    result = {name: _value(name, value, hints(kind)[name]) for name, value in values.items()}
    for name, f in known.items():
        optional = type(None) in get_args(hints(kind)[name])
        if name not in result and optional:
            result[name] = None
        elif name not in result and f.default is MISSING and f.default_factory is MISSING:
            raise FieldError(name, f"key '{name}' is missing")
    return kind(**result)


def _value(name: str, value: Any, expected: Any) -> Any:
    """A value of the type its field is annotated with; FieldError for any other type."""
    if isinstance(expected, types.UnionType) or get_origin(expected) is Union:
        expected = next(w for w in get_args(expected) if w is not type(None))
    if is_dataclass(expected):
        if not isinstance(value, dict):
            raise FieldError(name, f"key '{named(name)}' must be a table, not {quoted(value)}")
        return _in(expected, value)  # type: ignore[arg-type]
    if get_origin(expected) is tuple:
        if not isinstance(value, list):
            raise FieldError(name, f"key '{named(name)}' must be a list, not {quoted(value)}")
        return tuple(_value(name, item, get_args(expected)[0]) for item in value)
    if isinstance(get_origin(expected), type) and issubclass(get_origin(expected), Mapping):
        if not isinstance(value, dict):
            raise FieldError(name, f"key '{named(name)}' must be a table, not {quoted(value)}")
        return {str(k): _value(f"{name}.{k}", v, get_args(expected)[1]) for k, v in value.items()}
    kind = (int, float) if expected is float else expected
    if not isinstance(value, kind) or (isinstance(value, bool) and expected is not bool):
        raise FieldError(name, f"key '{named(name)}' must be {TYPE_NAMES[expected]}, not {quoted(value)}")
    if expected is float and not abs(value) < FINITE:
        raise FieldError(name, f"key '{named(name)}' must be a finite number, not {quoted(value)}")
    return float(value) if expected is float else short(name, value)
