"""A stage with fewer layers: the tasks that are run where the whole would be slow, and the record of the whole, linear in the layers.

A layer of a kind adds the same bytes wherever it is, once there are as many as overlap at the peak: two and four per virtual stage give a
line. With dense and sparse layers on one stage three tasks give a plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from planner.errors import FieldError
from planner.lab.record import PHASES, Peak, Record
from planner.lab.task import DENSE, SPARSE, Task
from planner.plaintext import quoted

WHOLE = 480  # layers x micro-batches x steps that are run as they are: about a minute
DEPTHS = (2, 4)  # layers of a kind per virtual stage
MOST_DEPTH = 64
KINDS = (DENSE, SPARSE)


def tasks_of(task: Task, depths: tuple[int, int] | None = None) -> list[Task]:
    """The task alone, where it is quick and no depths are given; else the truncated tasks whose records `extrapolated` takes."""
    low, high = depths or DEPTHS
    passes = sum(map(len, task.rank_layers)) * task.micro_batches * task.steps
    if depths is None and passes <= WHOLE:
        return [task]
    base = truncated(task, dict.fromkeys(KINDS, low))
    more = [truncated(task, dict.fromkeys(KINDS, low) | {deep: high}) for deep in KINDS]
    tasks = [base, *(each for each in more if each.rank_layers != base.rank_layers)]
    return tasks if base.rank_layers != task.rank_layers else [task]


def truncated(task: Task, most: Mapping[str, int]) -> Task:
    """The task with at most these numbers of layers of each kind on every virtual stage."""
    stages = ("".join(_first(layers, most)) for layers in task.layers)
    return replace(task, layers=tuple(stages))


def _first(layers: str, most: Mapping[str, int]) -> Iterable[str]:
    left = dict(most)
    for kind in layers:
        if left[kind] > 0:
            left[kind] -= 1
            yield kind


def count(task: Task, kind: str) -> int:
    """Layers of a kind on the rank."""
    return "".join(task.rank_layers).count(kind)


def extrapolated(task: Task, runs: Sequence[tuple[Task, Record]]) -> Record:
    """The record of a task from those of `tasks_of`: each number a plane over the layers of each kind. A single run is the record.

    What is reserved beyond live tensors depends on how blocks are split, not on the layers: it is that of the deepest run.
    """
    (base, record), *others = runs
    if not others:
        return record
    slopes: list[tuple[float, Record]] = []  # layers beyond the base over the difference of a run, and its record
    for other, deeper in others:
        kind = next(kind for kind in KINDS if count(other, kind) != count(base, kind))
        slopes.append(((count(task, kind) - count(base, kind)) / (count(other, kind) - count(base, kind)), deeper))

    def at(number: Callable[[Record], int]) -> int:
        first = number(record)
        return max(0, round(first + sum(share * (number(deeper) - first) for share, deeper in slopes)))

    names = [name for name in PHASES if all(name in each.phases for _, each in runs)]
    deepest = runs[-1][1]
    return Record(
        phases={name: _peak(name, at, [each for _, each in runs]) for name in names},
        reserved=at(lambda each: each.live) + deepest.reserved - deepest.live,
        expandable=at(lambda each: each.live) + deepest.expandable - deepest.live,
        states=at(lambda each: each.states),
        largest=deepest.largest,
        notes=deepest.notes,
        versions=deepest.versions,
    )


def _peak(name: str, at: Callable[[Callable[[Record], int]], int], records: Sequence[Record]) -> Peak:
    """The peak of a phase, each kind extrapolated."""
    kinds = sorted({kind for each in records for kind in each.phases[name].kinds})
    sizes = {kind: at(partial(_size, name, kind)) for kind in kinds}
    return Peak(at(lambda each: each.phases[name].live), {kind: size for kind, size in sizes.items() if size})


def _size(phase: str, kind: str, record: Record) -> int:
    return record.phases[phase].kinds.get(kind, 0)


def depths_of(text: str) -> tuple[int, int]:
    """The two depths of a text such as 2,4; FieldError for anything else."""
    parts = text.split(",")
    if len(parts) == 2 and all(part.strip().isdecimal() and len(part) < 4 for part in parts):
        low, high = map(int, parts)
        if 1 <= low < high <= MOST_DEPTH:
            return low, high
    raise FieldError("depths", f"--depths takes two numbers of layers, from 1 to {MOST_DEPTH} and rising, such as 2,4, not {quoted(text)}")
