"""docs/api.md: what `planner` exports, from signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cached_property
from typing import Any

import planner
from planner import presets
from tui.manual.markdown import block, code, page, plain, table

EXAMPLE = """
import planner

job = planner.job(model="llama-3.1-70b", cluster="dgx-h100", gpus=64, global_batch=512)
result = planner.search(job)
for plan in planner.records(result.estimate(result.order[:10])):
    degrees = ", ".join(f"{axis} {plan[axis]}" for axis in ("tp", "pp", "cp", "dp"))
    memory, step = plan["memory_gib"], plan["step_seconds"]
    print(f"{degrees}: {memory:.1f} GiB, {step:.3f} s per step, MFU {plan['mfu']:.1%}")
"""
PRESETS: tuple[Callable[..., Any], ...] = (presets.names, presets.model, presets.gpu, presets.cluster, presets.stack)


def api_page() -> str:
    """The page."""
    return page(
        "Python",
        "`planner` is a library: numbers in, numbers out, no screen. This plans Llama 3.1 70B on 64 H100 and prints the ten fastest plans,"
        " with the numbers of `tmplan plan`:",
        block(EXAMPLE.strip().splitlines(), "python"),
        "Quantities are in base units (bytes, seconds, FLOP); what ends with a unit, such as `memory_gib`, is in that. Errors are those of"
        " `planner.errors`: a `TmplanError` is one sentence on what is wrong and what would be right.",
        *(part for name in planner.__all__ for part in _entry(name)),
    )


def _entry(name: str) -> Iterator[str]:
    """The part of the page on one exported name."""
    value = getattr(planner, name)
    yield f"## {name}"
    if value is presets:
        yield "Models, GPUs, clusters and stacks by the names that `tmplan models` and the like list, or by file."
        yield from _functions(PRESETS)
    elif inspect.isclass(value):
        yield _about(value)
        if is_dataclass(value):
            yield table(("field", "type", "default"), (_field(f) for f in fields(value) if f.repr))
        yield from _functions(_members(value), set(map(_getter, vars(value).values())))
    else:
        yield block([signature(value)], "python")
        yield _about(value)


def _functions(listed: Iterable[Callable[..., Any]], properties: Container[object] = ()) -> Iterator[str]:
    """A table of functions and methods, and of properties by the functions that get them; nothing of none."""
    rows = [(code(signature(each).replace("() ->", ":") if each in properties else signature(each)), _summary(each)) for each in listed]
    if rows:
        yield table(("name", "gives"), rows)


def _members(of: type) -> tuple[Callable[..., Any], ...]:
    """The public properties and methods that a class defines."""
    members = (_getter(value) or value for key, value in vars(of).items() if key[0] != "_")
    return tuple(member for member in members if inspect.isfunction(member))


def _getter(value: object) -> object:
    """The function that gets a property; None of anything else."""
    return value.fget if isinstance(value, property) else value.func if isinstance(value, cached_property) else None


def signature(function: Callable[..., Any]) -> str:
    """How a function is called: its parameters with their types, and the type of what it gives."""
    return f"{function.__name__}{inspect.signature(function)}".replace("'", "").replace("(self, ", "(").replace("(self)", "()")


def _field(field: Field[Any]) -> tuple[str, str, str]:
    """Name, type and default of a field."""
    whole = f"{type(field.default).__name__}()" if is_dataclass(field.default) else repr(field.default)
    default = "" if field.default is MISSING else whole
    return code(field.name), code(str(field.type)), code(default)


def _about(value: object) -> str:
    """The docstring as text: what it says of names stays code."""
    return inspect.getdoc(value) or ""


def _summary(value: object) -> str:
    """The first paragraph of a docstring."""
    return plain(" ".join(_about(value).partition("\n\n")[0].split()))
