"""The registry of all input fields, and how their text is parsed and written.

The form, the command-line options and the plan file are all generated from FIELDS; its parts are one module per group of fields.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from planner import presets
from planner.document.field import Field as Field  # re-exported with the registry
from planner.document.field import Spec as Spec
from planner.document.field import Value as Value
from planner.document.fields_cluster import CLUSTER
from planner.document.fields_model import MODEL
from planner.document.fields_run import RUN
from planner.document.fields_training import BATCH, OPTIONS
from planner.errors import FieldError, FileError, UnknownName
from planner.plaintext import quoted
from planner.presets.releases import MONTH
from planner.specs.options import MODULES, modules
from planner.specs.pipeline_layout import EXAMPLE, layout_of, plain

SUFFIXES = {"k": 2**10, "m": 2**20, "b": 10**9, "t": 10**12}  # 8k tokens are 8,192, as in papers; 15t are 15e12
YES, NO = ("yes", "y", "true", "on", "1"), ("no", "n", "false", "off", "0")
FIELDS: tuple[Field, ...] = (*CLUSTER, *MODEL, *BATCH, *OPTIONS, *RUN)
BY_KEY = {f.key: f for f in FIELDS}
JOB_GROUPS = ("cluster", "model", "batch", "options")  # the groups that define a job


def field_of(key: str) -> Field:
    """The field of a name; UnknownName with the closest match if there is none."""
    if key not in BY_KEY:
        raise UnknownName("field", str(key), BY_KEY)
    return BY_KEY[key]


def parse(key: str, text: str) -> Value:
    """The value of a field, in its own unit, from text the user typed.

    Integers: 8192, 8_192, 8,192, 8k, 1e3. Yes or no for a bool. An unknown preset or an unreadable file is refused here, so that what
    cannot be loaded never enters the form. FieldError (UnknownName) names the field.
    """
    f = field_of(key)
    text = text.strip()
    if f.optional and text.lower() in ("", "custom"):
        return ""
    if not text:
        raise FieldError(key, f"{key} is empty; it {_expectation(f)}")
    if f.kind == "preset":
        load(key, text)
        return text.lower() if text.lower() in presets.names(f.preset_kind) else text
    if f.kind == "layout":
        return check(f, text)
    if f.kind in ("choice", "text", "month"):
        return check(f, text.lower())
    if f.kind == "bool":
        if text.lower() not in YES + NO:
            raise FieldError(key, f"{key} must be yes or no, not {quoted(text)}")
        return text.lower() in YES
    return check(f, _number(f, text))


def _number(f: Field, text: str) -> int | float:
    """A number from its text, an integer if the field is one."""
    digits = text.lower()
    if f.unit and digits.endswith(f.unit.lower()):
        digits = digits[: -len(f.unit)].rstrip()
    factor = 1
    if f.kind == "int" and digits[-1:] in SUFFIXES:
        digits, factor = digits[:-1].rstrip(), SUFFIXES[digits[-1]]
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", digits):
        digits = digits.replace(",", "")
    if len(digits) > 60 or not re.fullmatch(r"[+-]?([0-9_]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", digits):
        raise FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(text)}")
    try:
        if re.fullmatch(r"[+-]?[0-9_]+", digits):
            return int(digits) * factor if f.kind == "int" else float(digits)
        value = float(digits) * factor
        if factor > 1 and math.isfinite(value) and math.isclose(value, round(value), rel_tol=1e-15):
            value = float(round(value))  # 15.6t is an integer number of tokens despite the rounding of the product
    except ValueError:
        raise FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(text)}") from None
    return int(value) if f.kind == "int" and math.isfinite(value) and value == int(value) else value


def check(f: Field, value: object) -> Value:
    """The value unchanged if the field accepts it; FieldError, in the unit of the field, if not."""
    wrong = FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(value)}")
    if f.kind in ("preset", "choice"):
        if not isinstance(value, str) or (f.kind == "choice" and value not in f.choices) or not value:
            raise wrong
        return value
    if f.kind == "month":
        if not isinstance(value, str) or not MONTH.fullmatch(value):
            raise wrong
        return value
    if f.kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if f.kind == "text":
        if not isinstance(value, str):
            raise wrong
        return ",".join(modules(value))
    if f.kind == "layout":
        if not isinstance(value, str):
            raise wrong
        return plain(value) if value and layout_of(value) else ""
    if isinstance(value, bool) or not isinstance(value, int | float) or (f.kind == "int" and not isinstance(value, int)):
        raise wrong
    if (isinstance(value, float) and not math.isfinite(value)) or not f.least <= value <= f.most:
        raise wrong
    return value if f.kind == "int" else float(value)


def _expectation(f: Field) -> str:
    """What a field accepts, as a clause of a sentence."""
    if f.kind == "preset":
        return f"must be the name of a preset (see tmplan {f.preset_kind}) or a file"
    if f.kind == "choice":
        return f"must be one of {', '.join(f.choices)}"
    if f.kind == "text":
        return f"must list some of {', '.join(MODULES)}"
    if f.kind == "layout":
        return f"must be a layout such as {EXAMPLE}"
    if f.kind == "month":
        return "must be a year and month such as 2025-05"
    if f.kind == "bool":
        return "must be yes or no"
    number = "a whole number" if f.kind == "int" else "a number"
    return f"must be {number} from {f.least:,.12g} to {f.most:,.12g}{' ' + f.unit if f.unit else ''}"


def text(key: str, value: Value) -> str:
    """A value as the form shows it; `parse` reads it back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def load(key: str, name: str, released: str = "") -> Spec:
    """The spec of a preset by field and name, a stack as of a month; errors carry the field's key (UnknownName, FieldError) or are
    Unsupported.
    """
    try:
        if released:
            return presets.stack_of_release(name, released)
        read: Callable[[str], Spec] = getattr(presets, key)
        return read(name)
    except FileError as error:
        raise FieldError(key, str(error)) from error
