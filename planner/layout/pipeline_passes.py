"""The order in which each pipeline rank runs the passes of its micro-batches, as frameworks issue them under each schedule.

A pass is a forward pass, a complete backward pass, or one of its halves (gradients of inputs, gradients of weights) of one micro-batch
through one virtual stage. Orders follow the implementations that issue them; planner.layout.timeline determines when passes wait.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.cost.pipeline_split import DUALPIPE_V, ZB_H1, ZB_H2, V
from planner.specs.plan import Plan

FORWARD, BACKWARD, INPUTS, WEIGHTS = range(4)
KINDS = ("F", "B", "I", "W")  # PyTorch's notation; B is I and W combined


class Pass(NamedTuple):
    """One pass: its kind, the rank's virtual stage, the micro-batch."""

    kind: int
    chunk: int
    micro_batch: int


Block = tuple[Pass, ...]  # one pass, or overlapped forward and backward passes that begin and end together


def virtual_stage(plan: Plan, rank: int, chunk: int) -> int:
    """The index of a rank's chunk among the p · v virtual stages, in layer order; in V schedules the second chunk is mirrored."""
    if plan.schedule >= V and chunk == 1:
        return 2 * int(plan.pp) - 1 - rank
    return chunk * int(plan.pp) + rank


def order(plan: Plan, rank: int, micro_batches: int, group: int, ahead: int = 0) -> list[Block]:
    """The passes of one pipeline rank in order: every micro-batch forward and backward through each of its chunks.

    group: `pipeline_split.round_size` of the whole step, which may have more micro-batches than requested. ahead: extra forward passes
    before the first backward pass of 1F1B, where one micro-batch's all-to-all overlaps another (`exchange.ahead`).
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
    """1F1B, interleaved for v > 1: warm-up, alternating forward and backward passes, cool-down.

    megatron/core/pipeline_parallel/schedules.py: warm-up of p - i - 1 micro-batches, or 2 (p - i - 1) + (v - 1) times a group of chunks.
    """
    turns = [(chunk, j) for first in range(0, m, group) for chunk in range(v) for j in range(first, min(first + group, m))]
    down = [Pass(FORWARD, chunk, j) for chunk, j in turns]
    back = [Pass(BACKWARD, v - 1 - chunk, j) for chunk, j in turns]
    warm = min(len(down), ahead + (p - rank - 1 if v == 1 else 2 * (p - rank - 1) + (v - 1) * group))
    paired = [each for pair in zip(down[warm:], back, strict=False) for each in pair]
    return down[:warm] + paired + back[len(down) - warm :]


def split_backward(m: int, warm: int, lag: int) -> list[Pass]:
    """ZB-H1 and ZB-H2: 1F1B with `warm` warm-up micro-batches, gradients of weights `lag` micro-batches after those of inputs.

    Qi et al. 2023, Figures 2 and 3: p - i - 1 and i with ZB-H1 (as torch 2.13.0, ScheduleInterleavedZeroBubble), twice these with ZB-H2;
    every rank then holds p micro-batches, or 2 p - 1, at its peak.
    """
    warm = min(warm, m)
    passes = [Pass(FORWARD, 0, j) for j in range(warm)]
    for j in range(m):
        if warm + j < m:
            passes.append(Pass(FORWARD, 0, warm + j))
        passes.append(Pass(INPUTS, 0, j))
        if j >= lag:
            passes.append(Pass(WEIGHTS, 0, j - lag))
    return passes + [Pass(WEIGHTS, 0, j) for j in range(max(0, m - lag), m)]


class _Program:
    """Passes in issue order: micro-batches are counted per kind and chunk; gradients of weights wait in a queue."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.waiting: list[tuple[int, int]] = []
        self._next: dict[tuple[bool, int], int] = {}

    def next_pass(self, kind: int, chunk: int) -> Pass:
        """The pass of the next micro-batch of this kind and chunk."""
        key = (kind == FORWARD, chunk)
        j = self._next.get(key, 0)
        self._next[key] = j + 1
        if kind == INPUTS:
            self.waiting.append((chunk, j))
        return Pass(kind, chunk, j)

    def issue(self, *what: tuple[int, int], turns: int = 1) -> None:
        """Passes in sequence, repeated `turns` times; gradients of inputs are followed by those of weights of the same chunk."""
        for _ in range(turns):
            for kind, chunk in what:
                self.blocks.append((self.next_pass(kind, chunk),))
                if kind == INPUTS:
                    self.weights(chunk)

    def inputs(self, chunk: int) -> None:
        """Gradients of inputs only; those of weights wait."""
        self.blocks.append((self.next_pass(INPUTS, chunk),))

    def overlap(self, forward: int, backward: int) -> None:
        """A forward pass of one chunk overlapped with a backward pass of another."""
        self.blocks.append((self.next_pass(FORWARD, forward), self.next_pass(BACKWARD, backward)))

    def weights(self, chunk: int | None = None) -> None:
        """The longest-waiting gradients of weights, of one chunk or of any; nothing where none wait."""
        at = next((i for i, (waiting_chunk, _) in enumerate(self.waiting) if chunk in (None, waiting_chunk)), None)
        if at is not None:
            self.blocks.append((Pass(WEIGHTS, *self.waiting.pop(at)),))


def zb_v(p: int, rank: int, m: int) -> list[Pass]:
    """ZB-V: two chunks per rank, in rank order and mirrored; torch 2.13.0, ScheduleZBVZeroBubble; Qi et al. 2023, Section 6.

    Generated for at least 2 p - 1 micro-batches; passes of nonexistent micro-batches are dropped.
    """
    many = max(m, 2 * p - 1)
    program = _Program()
    program.issue((FORWARD, 0), turns=2 * (p - rank) - 1)
    program.issue((FORWARD, 1), (FORWARD, 0), turns=rank)
    program.issue((FORWARD, 1), (INPUTS, 1), turns=p - rank)
    begun = 2 * (p - rank) - 1 + rank
    for j in range(many - p):  # remaining forward passes of the second chunk
        program.issue(*([(FORWARD, 0)] if begun + j < many else []), (INPUTS, 0), (FORWARD, 1), (INPUTS, 1))
    for _ in range(rank):
        program.inputs(0)
        program.inputs(1)
    for _ in range(p - rank):
        program.inputs(0)
        program.weights(0)
    for chunk in (1, 0):
        for _ in range(sum(waiting_chunk == chunk for waiting_chunk, _ in program.waiting)):
            program.weights(chunk)
    return [each for (each,) in program.blocks if each.micro_batch < m]


def dualpipe_v(p: int, rank: int, m: int) -> list[Block]:
    """DualPipeV: two chunks per rank, forward overlapped with backward passes; at least 2 p micro-batches.

    The eight steps of torch 2.13.0, ScheduleDualPipeV, and of DualPipe's dualpipe/dualpipev.py.
    """
    program = _Program()
    program.issue((FORWARD, 0), turns=2 * (p - rank - 1))
    program.issue((FORWARD, 0), (FORWARD, 1), turns=rank + 1)
    program.issue((INPUTS, 1), (FORWARD, 1), turns=p - rank - 1)
    for turn in range(m - 2 * p + rank + 1):
        if turn == 0 and rank == p - 1:  # the last rank passes to itself
            program.issue((FORWARD, 0), (BACKWARD, 1))
        else:
            program.overlap(0, 1)
        program.overlap(1, 0)
    for _ in range(p - rank - 1):
        program.issue((BACKWARD, 1))
        program.overlap(1, 0)
    half = (rank + 1) // 2
    for turn in range(rank + 1):
        for chunk, after in ((1, rank % 2 == 1), (0, True)):  # backward passes of the second half are split
            if turn > half or (turn == half and after):
                program.inputs(chunk)
            else:
                program.issue((BACKWARD, chunk))
    for _ in range(p - rank - 1):
        program.weights()
        program.inputs(0)
    while program.waiting:
        program.weights()
    return program.blocks
