"""Trees of plans that grow by one axis at a time; each rule prunes as soon as its fields exist.

The full product of the axes is never built. A tree that would exceed `PART` rows is grown in parts, one after another in the order of
its rows, so the memory of a search is bounded.
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

PART = 1 << 16  # rows of a tree: a few megabytes per column, a tenth of a second to prune
Axis = tuple[str, Candidates]


class Growth:
    """A growing tree of rows: the plan so far, its known fields, and for each row its parent, a row of `ranks`, later of the degrees."""

    def __init__(self, job: Job, space: Space, refused: dict[str, int]) -> None:
        self.job, self.space, self.refused = job, space, refused
        self.plan = Plan(**{name: np.full(1, 0 if name in FROM_ZERO else 1) for name in FIELDS})
        self.known: set[str] = set()
        self.parent = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return len(self.parent)

    def taken(self, rows: Rows, refused: dict[str, int] | None = None) -> Growth:
        """A separate tree of some rows; refused rows are counted in `refused`, by default together with those of this tree."""
        tree = Growth(self.job, self.space, self.refused if refused is None else refused)
        tree.plan, tree.known, tree.parent = self.plan.take(rows), set(self.known), self.parent[rows]
        return tree

    def add(self, name: str, candidates: Candidates) -> None:
        """Grow by one axis within the bounds of the user, then prune."""
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
        """The candidates of an axis: the values given by the user, even invalid ones, which a rule then refuses; otherwise all."""
        only = self.space[name].only
        return candidates if only is None or name in ("dp_replicate", "recompute_layers") else each(np.array(only, np.int64))

    def _inside(self, name: str) -> Column:
        """Rows within the bounds of the user. Bounds on recompute_layers apply to `first`, those on dp_replicate to sharded plans."""
        inside: Column = np.broadcast_to(self.space.allows(name, getattr(self.plan, name)), self.parent.shape)
        if name == "recompute_layers" and name in self.space.bounds:
            return np.asarray(inside | (self.plan.recompute != FIRST))
        if name == "dp_replicate" and name in self.space.bounds:
            return np.where(self.plan.zero > 0, inside, self.space.allows(name, 1))
        return inside

    def derive(self, name: str, values: Column) -> None:
        """Add a derived field; values outside of its bounds are refused."""
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
        """Remove the rows outside the mask and count them under a key."""
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
    """Grow a tree by some axes, in parts of at most about `PART` rows in the order of its rows; the tree is consumed. `then`: further
    pruning of a part after the axis of that name.
    """
    if not axes:
        yield tree
        return
    (name, candidates), *rest = axes
    for part in _filled(_added(tree, name, candidates, (then or {}).get(name))):
        yield from grown(part, rest, then)


def _added(tree: Growth, name: str, candidates: Candidates, then: Callable[[Growth], None] | None) -> Iterator[Growth]:
    """Parts of a tree, each grown by one axis to about `PART` rows before pruning."""
    for part in pieces(tree, tree.tried(name, candidates).counts(tree.job, tree.plan)):
        part.add(name, candidates)
        if then is not None:
            then(part)
        yield part


def pieces(tree: Growth, counts: Column | int, times: int = 1) -> Iterator[Growth]:
    """Contiguous parts of a tree with a sum of `counts` of about `times` x `PART` each; the tree itself if it is small enough."""
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
    """The parts in order, small ones joined."""
    waiting: list[Growth] = []
    for part in parts:
        if waiting and sum(map(len, waiting)) + len(part) > PART:
            yield joined(waiting)
            waiting = []
        waiting.append(part)
    if waiting:
        yield joined(waiting)


def joined(parts: list[Growth]) -> Growth:
    """The concatenation of trees with the same axes, in their order."""
    if len(parts) == 1:
        return parts[0]
    whole = parts[0].taken(slice(0, 0))
    whole.parent = np.concatenate([part.parent for part in parts])
    whole.plan = Plan(**{f: np.concatenate([getattr(part.plan, f) for part in parts]) for f in FIELDS})
    return whole
