"""Trees of plans that grow one axis at a time, each rule pruning as soon as the fields it reads exist.

The full product is never built, nor is a tree of millions: one that would grow beyond `PART` rows is grown in parts, one after another,
in the order the rows have. What each part takes is given back before the next, so that a search of any size is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from planner.dimensions import Rows
from planner.document.space import Space
from planner.search.axes import FIRST, Candidates, each
from planner.search.rules import RULES, Rule
from planner.specs.job import Job
from planner.specs.plan import FIELDS, FROM_ZERO, Column, Plan

PART = 1 << 16  # rows that a tree grows at once: a few megabytes a column, a tenth of a second to prune
Axis = tuple[str, Candidates]


class Growth:
    """One tree of rows as it grows: its plan so far, the fields it has, the row each descends from, of `ranks`, then of the degrees."""

    def __init__(self, job: Job, space: Space, refused: dict[str, int]) -> None:
        self.job, self.space, self.refused = job, space, refused
        self.plan = Plan(**{name: np.full(1, 0 if name in FROM_ZERO else 1) for name in FIELDS})
        self.known: set[str] = set()
        self.parent = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return len(self.parent)

    def taken(self, rows: Rows, refused: dict[str, int] | None = None) -> Growth:
        """A tree of some rows, to grow on its own; what it refuses is counted in `refused`, with the others where that is left out."""
        own = Growth(self.job, self.space, self.refused if refused is None else refused)
        own.plan, own.known, own.parent = self.plan.take(rows), set(self.known), self.parent[rows]
        return own

    def add(self, name: str, candidates: Candidates) -> None:
        """Grow by one axis, within the user's bounds, then prune."""
        candidates = self.tried(name, candidates)
        counts = candidates.counts(self.job, self.plan)
        values = candidates.values(self.job, self.plan, counts)
        self.parent = np.repeat(self.parent, counts)
        columns = {f: np.repeat(getattr(self.plan, f), counts) for f in FIELDS if f in self.known}
        self._set(columns | {name: values})
        self.known.add(name)
        inside = self._inside(name)
        if name in ("dp_replicate", "recompute_layers"):
            self.keep(inside, "bounds")
        elif not inside.all():
            self.keep(inside, None)
        self.prune(name)

    def tried(self, name: str, candidates: Candidates) -> Candidates:
        """The candidates of an axis; where the user names values, those, even where they are no divisors, so that a rule says why not."""
        only = self.space[name].only
        return candidates if only is None or name in ("dp_replicate", "recompute_layers") else each(np.array(only, np.int64))

    def _inside(self, name: str) -> Column:
        """Which rows the user's bounds ask for. Bounds on N speak of `first` alone, those on replicas of sharded plans alone."""
        inside: Column = np.broadcast_to(self.space.allows(name, getattr(self.plan, name)), self.parent.shape)
        if name == "recompute_layers" and name in self.space.bounds:
            return np.asarray(inside | (self.plan.recompute != FIRST))
        if name == "dp_replicate" and name in self.space.bounds:
            return np.where(self.plan.zero > 0, inside, self.space.allows(name, 1))
        return inside

    def derive(self, name: str, values: Column) -> None:
        """Add a field that follows from the others; bounds on it refuse, since it is not tried."""
        self._set({f: getattr(self.plan, f) for f in self.known} | {name: values})
        self.known.add(name)
        self.keep(np.broadcast_to(self.space.allows(name, values), values.shape), "bounds")
        self.prune(name)

    def prune(self, newest: str) -> None:
        """Apply every rule whose last field is the newest."""
        for rule in RULES:
            if newest in rule.fields and self.known.issuperset(rule.fields):
                self._apply(rule)

    def _apply(self, rule: Rule) -> None:
        if len(self.parent):
            self.keep(np.broadcast_to(rule.allowed(self.job, self.plan), self.parent.shape), rule.key)

    def keep(self, mask: Column, key: str | None) -> None:
        """Keep some rows; those refused count under a key."""
        gone = int(mask.size - np.count_nonzero(mask))
        if not gone:
            return
        if key:
            self.refused[key] = self.refused.get(key, 0) + gone
        self.parent = self.parent[mask]
        self._set({f: getattr(self.plan, f)[mask] for f in self.known})

    def _set(self, columns: dict[str, Column]) -> None:
        rows = len(next(iter(columns.values())))
        rest = {
            f: np.broadcast_to(getattr(self.plan, f)[:1] if len(self.plan) else np.zeros(1, np.int64), (rows,))
            for f in FIELDS
            if f not in columns
        }
        self.plan = Plan(**rest, **columns)


def grown(tree: Growth, axes: Sequence[Axis], then: Mapping[str, Callable[[Growth], None]] | None = None) -> Iterator[Growth]:
    """A tree grown by some axes, in parts of about `PART` rows at most, in the order of its rows. `then` prunes a part further once it
    has the axis named. The tree itself is used up.
    """
    if not axes:
        yield tree
        return
    (name, candidates), *rest = axes
    for part in _filled(_added(tree, name, candidates, (then or {}).get(name))):
        yield from grown(part, rest, then)


def _added(tree: Growth, name: str, candidates: Candidates, then: Callable[[Growth], None] | None) -> Iterator[Growth]:
    """Parts of a tree, each grown by one axis to `PART` rows or so before it is pruned."""
    for part in pieces(tree, tree.tried(name, candidates).counts(tree.job, tree.plan)):
        part.add(name, candidates)
        if then is not None:
            then(part)
        yield part


def pieces(tree: Growth, counts: Column | int, times: int = 1) -> Iterator[Growth]:
    """Contiguous parts of a tree whose rows, each counted so often, come to about `times` `PART`; the tree itself where they all do."""
    most = times * PART
    total = counts * len(tree) if isinstance(counts, int) else int(counts.sum())
    if total <= most:
        yield tree
        return
    ends = np.cumsum(np.broadcast_to(counts, (len(tree),)))
    cuts = [0, *np.unique(np.searchsorted(ends, np.arange(most, total, most)) + 1).tolist(), len(tree)]
    for low, high in pairwise(cuts):
        if low < high:
            yield tree.taken(slice(low, high))


def _filled(parts: Iterator[Growth]) -> Iterator[Growth]:
    """Parts as they come, those that pruning left small put together."""
    waiting: list[Growth] = []
    for part in parts:
        if waiting and sum(map(len, waiting)) + len(part) > PART:
            yield joined(waiting)
            waiting = []
        waiting.append(part)
    if waiting:
        yield joined(waiting)


def joined(parts: list[Growth]) -> Growth:
    """Several trees that have grown by the same axes as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    whole = parts[0].taken(slice(0, 0))
    whole.parent = np.concatenate([part.parent for part in parts])
    whole.plan = Plan(**{f: np.concatenate([getattr(part.plan, f) for part in parts]) for f in FIELDS})
    return whole
