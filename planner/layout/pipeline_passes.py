"""The order in which each pipeline rank runs the passes of its micro-batches: what a framework issues under each schedule.

A pass is a forward pass, a whole backward pass, or one of its halves (gradients of inputs, gradients of weights) of one micro-batch
through one virtual stage. Orders are written down from the programs that issue them; whether they wait is for planner.layout.timeline.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.cost.pipeline_split import DUALPIPE_V, ZB_H1, ZB_H2, V
from planner.specs.plan import Plan

FORWARD, BACKWARD, INPUTS, WEIGHTS = range(4)
KINDS = ("F", "B", "I", "W")  # as torch's schedules write them: B is I and W in one


class Pass(NamedTuple):
    """One pass: its kind, which of the rank's virtual stages, which micro-batch."""

    kind: int
    chunk: int
    micro_batch: int


Block = tuple[Pass, ...]  # one pass, or a forward and a backward pass side by side: they begin together and hand on together


def virtual_stage(plan: Plan, rank: int, chunk: int) -> int:
    """Which of the p · v virtual stages a chunk of a rank is, in the order of the layers; in a V the second runs back up the ranks."""
    if plan.schedule >= V and chunk == 1:
        return 2 * int(plan.pp) - 1 - rank
    return chunk * int(plan.pp) + rank


def order(plan: Plan, rank: int, micro_batches: int, group: int, ahead: int = 0) -> list[Block]:
    """What one pipeline rank runs, in order: every micro-batch forward and backward through each of its chunks.

    group: `split.round_size` of the whole step, which may have more micro-batches than are asked for. ahead: forward passes more before the
    first backward pass of 1F1B, where one micro-batch's all-to-all hides behind another (`experts.ahead`).
    """
    p, m = int(plan.pp), micro_batches
    if plan.schedule == DUALPIPE_V:
        return dualpipe_v(p, rank, m)
    if plan.schedule == ZB_H1:
        alone = split_backward(m, p - rank - 1, rank)
    elif plan.schedule == ZB_H2:
        alone = split_backward(m, 2 * (p - rank - 1), 2 * rank)
    elif plan.schedule == V:
        alone = zb_v(p, rank, m)
    else:
        alone = one_f_one_b(p, int(plan.vpp), rank, m, group, ahead)
    return [(each,) for each in alone]


def one_f_one_b(p: int, v: int, rank: int, m: int, group: int, ahead: int = 0) -> list[Pass]:
    """1F1B, interleaved where v is more than one: warm-up, one forward and one backward pass in turn, cool-down.

    megatron/core/pipeline_parallel/schedules.py: warm-up of p - i - 1 micro-batches, or 2 (p - i - 1) + (v - 1) times a group of chunks.
    """
    turns = [(chunk, j) for first in range(0, m, group) for chunk in range(v) for j in range(first, min(first + group, m))]
    down = [Pass(FORWARD, chunk, j) for chunk, j in turns]
    back = [Pass(BACKWARD, v - 1 - chunk, j) for chunk, j in turns]
    warm = min(len(down), ahead + (p - rank - 1 if v == 1 else 2 * (p - rank - 1) + (v - 1) * group))
    paired = [each for pair in zip(down[warm:], back, strict=False) for each in pair]
    return down[:warm] + paired + back[len(down) - warm :]


def split_backward(m: int, warm: int, lag: int) -> list[Pass]:
    """ZB-H1 and ZB-H2: 1F1B with so many micro-batches of warm-up, gradients of weights `lag` micro-batches behind those of inputs.

    Qi et al. 2023, Figures 2 and 3: p - i - 1 and i with ZB-H1 (as torch 2.13.0, ScheduleInterleavedZeroBubble), twice as many with
    ZB-H2; so every rank holds p micro-batches, or 2 p - 1, at its peak.
    """
    warm = min(warm, m)
    found = [Pass(FORWARD, 0, j) for j in range(warm)]
    for j in range(m):
        if warm + j < m:
            found.append(Pass(FORWARD, 0, warm + j))
        found.append(Pass(INPUTS, 0, j))
        if j >= lag:
            found.append(Pass(WEIGHTS, 0, j - lag))
    return found + [Pass(WEIGHTS, 0, j) for j in range(max(0, m - lag), m)]


class _Issued:
    """Passes as they are issued: each kind counts the micro-batches of each chunk; gradients of weights wait in a queue."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.waiting: list[tuple[int, int]] = []
        self._next: dict[tuple[bool, int], int] = {}

    def made(self, kind: int, chunk: int) -> Pass:
        """The next micro-batch of this kind and chunk."""
        way = (kind == FORWARD, chunk)
        j = self._next.get(way, 0)
        self._next[way] = j + 1
        if kind == INPUTS:
            self.waiting.append((chunk, j))
        return Pass(kind, chunk, j)

    def issue(self, *what: tuple[int, int], turns: int = 1) -> None:
        """Passes one after the other, so many times; gradients of inputs with those of weights of the same chunk behind them."""
        for _ in range(turns):
            for kind, chunk in what:
                self.blocks.append((self.made(kind, chunk),))
                if kind == INPUTS:
                    self.weights(chunk)

    def inputs(self, chunk: int) -> None:
        """Gradients of inputs alone: those of weights wait."""
        self.blocks.append((self.made(INPUTS, chunk),))

    def beside(self, forward: int, backward: int) -> None:
        """A forward pass of one chunk beside a backward pass of another."""
        self.blocks.append((self.made(FORWARD, forward), self.made(BACKWARD, backward)))

    def weights(self, chunk: int | None = None) -> None:
        """The gradients of weights that wait the longest, of one chunk or of either; none if none wait."""
        at = next((i for i, (own, _) in enumerate(self.waiting) if chunk in (None, own)), None)
        if at is not None:
            self.blocks.append((Pass(WEIGHTS, *self.waiting.pop(at)),))


def zb_v(p: int, rank: int, m: int) -> list[Pass]:
    """ZB-V: two chunks a rank, down the ranks and back up; torch 2.13.0, ScheduleZBVZeroBubble; Qi et al. 2023, Section 6.

    Written for 2 p - 1 micro-batches at least; of fewer, those there are not are left out.
    """
    many = max(m, 2 * p - 1)
    made = _Issued()
    made.issue((FORWARD, 0), turns=2 * (p - rank) - 1)
    made.issue((FORWARD, 1), (FORWARD, 0), turns=rank)
    made.issue((FORWARD, 1), (INPUTS, 1), turns=p - rank)
    begun = 2 * (p - rank) - 1 + rank
    for j in range(many - p):  # forward passes of the second chunk that are left
        made.issue(*([(FORWARD, 0)] if begun + j < many else []), (INPUTS, 0), (FORWARD, 1), (INPUTS, 1))
    for _ in range(rank):
        made.inputs(0)
        made.inputs(1)
    for _ in range(p - rank):
        made.inputs(0)
        made.weights(0)
    for chunk in (1, 0):
        for _ in range(sum(own == chunk for own, _ in made.waiting)):
            made.weights(chunk)
    return [each for (each,) in made.blocks if each.micro_batch < m]


def dualpipe_v(p: int, rank: int, m: int) -> list[Block]:
    """DualPipeV: two chunks a rank, a forward pass beside a backward pass; 2 p micro-batches at least.

    torch 2.13.0, ScheduleDualPipeV; DualPipe's dualpipe/dualpipev.py, whose eight steps these are.
    """
    made = _Issued()
    made.issue((FORWARD, 0), turns=2 * (p - rank - 1))
    made.issue((FORWARD, 0), (FORWARD, 1), turns=rank + 1)
    made.issue((INPUTS, 1), (FORWARD, 1), turns=p - rank - 1)
    for turn in range(m - 2 * p + rank + 1):
        if turn == 0 and rank == p - 1:  # the turn of the V: nothing to wait for
            made.issue((FORWARD, 0), (BACKWARD, 1))
        else:
            made.beside(0, 1)
        made.beside(1, 0)
    for _ in range(p - rank - 1):
        made.issue((BACKWARD, 1))
        made.beside(1, 0)
    half = (rank + 1) // 2
    for turn in range(rank + 1):
        for chunk, after in ((1, rank % 2 == 1), (0, True)):  # the second half splits its backward passes
            if turn > half or (turn == half and after):
                made.inputs(chunk)
            else:
                made.issue((BACKWARD, chunk))
    for _ in range(p - rank - 1):
        made.weights()
        made.inputs(0)
    while made.waiting:
        made.weights()
    return made.blocks
