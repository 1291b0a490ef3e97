"""The valid values of a field or an axis while all others are unchanged; `-` and `+` step through them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner import presets
from planner.cost.pipeline_split import chunk_layers
from planner.document.fields import BY_KEY, Field, Value
from planner.document.inputs import Inputs, resolve, shown
from planner.document.space import Bounds, Space, known
from planner.errors import TmplanError
from planner.search.axes import SHARDING_AXES, batch_axes, divisors, each
from planner.search.growth import Growth, grown
from planner.search.lattice import Sides, degrees, ranks
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Column, Plan

SIDES = tuple(name for name, _ in SHARDING_AXES)
TRIES = 256  # candidates checked at most for a step: a tenth of a second


def axis_values(job: Job, space: Space, axis: str) -> tuple[int, ...]:
    """The values of an axis in valid plans within the other bounds, ascending; plans that do not fit included."""
    known(axis)
    freed = space.with_(axis, Bounds(None, 1) if axis == "recompute_layers" else None)
    values = set[int]()
    for tree, sides in degrees(ranks(job, freed), hopeless=True):
        values |= _below(job, freed, tree, sides, axis, values)
    return tuple(sorted(values))


def _below(job: Job, space: Space, tree: Growth, sides: Sides, axis: str, known: set[int]) -> set[int]:
    """The values of an axis in valid plans with some degrees, in addition to the known ones."""
    sequence, (micro_batch, _), *rest = batch_axes(job, space)
    tree.add(*sequence)
    only = space["micro_batch"].only
    possible, values = _possible(job, tree, sides, axis), set(known)
    for sizes in [only] if only else divisors(job.global_batch):  # the smallest first: it is valid with most values
        if not possible - values:
            break
        branch = tree.taken(_undecided(tree, axis, values), {})
        for leaf in grown(branch, ((micro_batch, each(np.atleast_1d(sizes))), *rest)):
            values |= _values(bounded(sides.used(leaf), axis) if axis in SIDES else getattr(leaf.plan, axis))
    return values


def _possible(job: Job, tree: Growth, sides: Sides, axis: str) -> set[int]:
    """A superset of the values of an axis for known degrees."""
    if axis in SIDES:
        return _values(bounded(sides.plan, axis))
    if axis in tree.known:
        return _values(getattr(tree.plan, axis))
    if axis == "micro_batch":
        return _values(divisors(job.global_batch))
    return set(range(len(RECOMPUTES) if axis == "recompute" else int(np.max(chunk_layers(job, tree.plan), initial=0))))


def _undecided(tree: Growth, axis: str, values: set[int]) -> Column:
    """Rows of the degrees whose plans can have values that are not known yet."""
    return np.flatnonzero(~np.isin(getattr(tree.plan, axis), sorted(values)) | (axis not in tree.known))


def _values(column: Column) -> set[int]:
    """The distinct values of a column."""
    return {int(value) for value in np.unique(column)}


def bounded(plan: Plan, axis: str) -> Column:
    """The value of an axis that bounds apply to; 1 for dp_replicate without sharding, since bounds count copies of shards."""
    value = getattr(plan, axis)
    return np.where(np.asarray(plan.zero) > 0, value, 1) if axis == "dp_replicate" else value


def step_axis(values: tuple[int, ...], bounds: Bounds, by: int) -> int | None:
    """The valid value before or after the bounds; for a free axis the first or the last. None if there is none."""
    inside = [value for value in values if bounds.allows(value)] or list(bounds.only or ())
    if bounds.free or not inside:
        return (values[0] if by > 0 else values[-1]) if values else None
    beyond = [v for v in values if v > max(inside)] if by > 0 else [v for v in values if v < min(inside)][::-1]
    return beyond[0] if beyond else None


def step_field(inputs: Inputs, key: str, by: int) -> Value | None:
    """The nearest lower or higher value that is valid for the job; the previous or next name of a choice. None if there is none.

    If the job is invalid for a reason independent of this field, that error is raised.
    """
    f, now = BY_KEY[key], shown(inputs)[key][0]
    before = refusal(inputs)
    for value in candidates(inputs, f, now, by):
        refused = refusal(inputs.with_(key, value))
        if refused is None:
            return value
        if str(refused) == str(before) and getattr(refused, "key", key) != key:
            raise refused
    return None


def refusal(inputs: Inputs) -> TmplanError | None:
    """The error of an invalid job, otherwise None."""
    try:
        resolve(inputs)
    except TmplanError as error:
        return error
    return None


def candidates(inputs: Inputs, f: Field, now: Value, by: int) -> Iterator[Value]:
    """Candidate values starting from the present one, the nearest first."""
    if f.kind == "bool":
        yield from (not now,) if (by > 0) != bool(now) else ()
        return
    if f.kind in ("preset", "choice"):
        yield from _names(f, str(now), by)
        return
    if not isinstance(now, int | float):
        return
    for value in _numbers(inputs, f, now, by):
        if not f.least <= value <= f.most:
            return
        yield value


def _names(f: Field, now: str, by: int) -> Iterator[str]:
    """Names before or after the present one; all names if the present one is not in the list."""
    names = list(presets.names(f.preset_kind) if f.kind == "preset" else f.choices)
    at = names.index(now) if now in names else -1 if by > 0 else len(names)
    yield from names[at + 1 :] if by > 0 else names[:at][::-1] if at >= 0 else ()


def _numbers(inputs: Inputs, f: Field, now: int | float, by: int) -> Iterator[int | float]:
    """Numbers starting from the present one: multiples for widths, powers of two for large counts, 1-2-5 steps for others."""
    if f.key in ("heads", "kv_heads", "hidden", "ffn", "expert_ffn", "shared_ffn"):
        step = _grain(inputs, f.key)
        yield from (int(now) // step * step + by * step * i for i in range(0 if by < 0 and now % step else 1, TRIES))
    elif f.kind == "int" and f.most > 10_000:
        power = 2 ** (int(max(now, 1)).bit_length() - 1)  # the largest power of two not above
        first = power * 2 if by > 0 else power if now > power else power // 2
        yield from (first * 2 ** (by * i) if by > 0 else first // 2**i for i in range(64) if by > 0 or first // 2**i > 0)
    elif f.kind == "int":
        yield from (int(now) + by * i for i in range(1, TRIES))
    else:
        yield from _figures(float(now), by)


def _grain(inputs: Inputs, key: str) -> int:
    """The step of a model size: the number of heads for the hidden size, 128 for MLP widths, 1 for counts."""
    if key == "hidden":
        return max(1, int(shown(inputs)["heads"][0]))
    return 128 if key in ("ffn", "expert_ffn", "shared_ffn") else 1


def _figures(now: float, by: int) -> Iterator[float]:
    """The next values of 1, 2, 5, 10 ... times a power of ten; 1 after 0."""
    if now <= 0:
        yield from (1.0,) if by > 0 else ()
        return
    steps = [0.0, *(float(f"{m}e{e}") for e in range(-3, 10) for m in (1, 2, 5))]
    yield from (s for s in steps if s > now * (1 + 1e-9)) if by > 0 else (s for s in reversed(steps) if s < now * (1 - 1e-9))
