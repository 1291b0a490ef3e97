"""Checks of single values: each raises FieldError with the name of the field and its valid values. Without numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from planner.errors import FieldError
from planner.plaintext import quoted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FINITE = 1e308  # larger integers overflow a float


def whole(key: str, value: object, least: int, most: int = 2**40) -> None:
    """FieldError unless the value is a whole number from least to most."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(key, f"{key} must be a whole number, not {quoted(value)}")
    if not least <= value <= most:
        raise FieldError(key, f"{key} must lie between {least:,} and {most:,}, not {quoted(value)}")


def real(key: str, value: object, least: float, most: float = 1e30) -> None:
    """FieldError unless the value is a finite number from least to most."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < FINITE:
        raise FieldError(key, f"{key} must be a finite number, not {quoted(value)}")
    if not least <= value <= most:
        raise FieldError(key, f"{key} must lie between {least:g} and {most:g}, not {quoted(value)}")


def choice(key: str, value: object, among: tuple[str, ...]) -> None:
    """FieldError unless the value is one of the choices."""
    if value not in among:
        raise FieldError(key, f"{key} must be one of {', '.join(among)}, not {quoted(value)}")


def checked(spec: DataclassInstance, limits: Mapping[str, tuple[float, float]]) -> None:
    """Check every field of a spec that has limits, by its annotated type."""
    for f in fields(spec):
        if f.name in limits:
            least, most = limits[f.name]
            value = getattr(spec, f.name)
            if "int" in str(f.type):
                whole(f.name, value, int(least), int(most))
            else:
                real(f.name, value, least, most)
