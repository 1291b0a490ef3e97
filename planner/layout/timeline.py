"""The timeline of a plan's schedule: begin and end of every pass of every micro-batch on every pipeline rank.

Passes run in the order the framework issues them (`pipeline_passes`), each as soon as its rank is free and its inputs exist: those of a
forward pass from the previous stage, those of a backward pass from the next. Durations are the time model's. Sends take no time here; the
time model counts exposed ones separately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from planner.cost import exchange, layer_cost, pipeline_split, schedule, shard, stage_cost
from planner.cost.evaluate import evaluate
from planner.cost.pipeline_split import V
from planner.dimensions import Number
from planner.errors import FieldError, TmplanError
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, KINDS, WEIGHTS, Block, order, virtual_stage
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

MOST = 150_000  # passes computed; a longer step is shown with fewer micro-batches, since its steady state repeats
LIMIT = 4 * MOST  # passes of the fewest micro-batches that fill and drain the pipeline; more are refused
FILLS = 3  # micro-batches per rank that fill the pipeline, reach steady state and drain it, under every schedule


@dataclass(frozen=True)
class Rank:
    """The passes of one pipeline rank in execution order; one value per pass, times in seconds, kind an index into KINDS."""

    kind: Column
    chunk: Column
    micro_batch: Column
    start: Column
    end: Column

    def __len__(self) -> int:
        return len(self.kind)

    def peak_micro_batches(self, chunks: int) -> float:
        """Peak number of micro-batches whose activations this rank holds, in units of all its layers."""
        change = np.select([self.kind == FORWARD, self.kind != INPUTS], [1, -1], 0)
        return float(np.cumsum(change).max(initial=0)) / chunks


@dataclass(frozen=True)
class Timeline:
    """The passes of a step, in seconds from the first; `drawn` of its `micro_batches` were computed."""

    plan: Plan
    ranks: tuple[Rank, ...]
    micro_batches: int
    drawn: int
    slowest: float  # seconds per micro-batch on the slowest rank
    model_bubble: float  # the time model's bubble

    @property
    def seconds(self) -> float:
        """From the first pass to the end of the last."""
        return max(float(rank.end[-1]) for rank in self.ranks)

    @property
    def bubble(self) -> float:
        """The longest span of a rank, first to last pass, minus the work of the slowest rank: the cost of filling and draining.

        Measured per rank, because zero-bubble schedules let each rank begin its optimizer step when it is done (Qi et al. 2023, Section 4).
        """
        return max(float(rank.end[-1] - rank.start[0]) for rank in self.ranks) - self.drawn * self.slowest


def timeline(job: Job, plan: Plan, *, cancelled: Callable[[], bool] = lambda: False) -> Timeline:
    """The passes of one plan; without a pipeline there is one rank, whose passes are sequential.

    FieldError where even the fewest micro-batches that fill the pipeline have too many passes.
    """
    column = plan.column()
    count = round(float(shard.micro_batches(job, column)[0]))
    refuse_too_many(plan, count)
    drawn, group = to_draw(plan, count)
    duration = durations(job, plan)
    ahead = int(np.max(exchange.ahead(job, column))) if job.model.experts else 0
    orders = [order(plan, rank, drawn, group, ahead) for rank in range(plan.pp)]
    ranks = run(plan, orders, duration, cancelled)
    bubble = float(evaluate(job, plan).time_parts.bubble[0])
    busy = duration[[FORWARD, BACKWARD]].sum(axis=0)
    work = [sum(float(busy[virtual_stage(plan, rank, chunk)]) for chunk in range(plan.vpp)) for rank in range(plan.pp)]
    return Timeline(plan, ranks, count, drawn, max(work), bubble)


def refuse_too_many(plan: Plan, count: int) -> None:
    """FieldError where more than LIMIT passes would be computed, with an approximate pp that can be drawn."""
    count_drawn = passes(plan, count)
    if count_drawn <= LIMIT:
        return
    drawn, _ = to_draw(plan, count)
    stages = f"pp {plan.pp:,}" + f" with {plan.vpp:,} virtual stages per rank" * (plan.vpp > 1)
    pp = isqrt(LIMIT // (FILLS * kinds(plan) * int(plan.vpp)))
    raise FieldError(
        "pp",
        f"the pipeline of {stages} is too long to draw: the {drawn:,} micro-batches that fill and drain it have {count_drawn:,} passes, "
        f"and at most {LIMIT:,} are drawn; use a plan with pp of up to about {pp:,}",
    )


def passes(plan: Plan, count: int) -> int:
    """The number of passes to compute for a plan with `count` micro-batches per step."""
    drawn, _ = to_draw(plan, count)
    issued = max(drawn, 2 * int(plan.pp) - 1) if plan.schedule == V else drawn  # ZB-V is generated for at least 2 p - 1, then cut
    return kinds(plan) * int(plan.pp * plan.vpp) * issued


def kinds(plan: Plan) -> int:
    """Passes, at most, of a micro-batch through one virtual stage: forward and backward, or forward and two halves of backward."""
    return 3 if plan.schedule else 2


def to_draw(plan: Plan, count: int) -> tuple[int, int]:
    """The number of micro-batches to compute out of `count`, and the group size of an interleaved schedule."""
    group = int(pipeline_split.round_size(plan.pp, Number(count)))
    return fewer(int(plan.pp * plan.vpp), int(plan.pp), count, group), group


def fewer(stages: int, pp: int, count: int, group: int) -> int:
    """The number of micro-batches to compute: all, or, where those have too many passes, whole groups that fill the pipeline."""
    needed = max(MOST // (3 * stages), FILLS * pp)
    return min(count, -(-needed // group) * group)


def durations(job: Job, plan: Plan) -> Column:
    """Seconds of each kind of pass on each virtual stage in layer order; shape kinds x stages.

    The time of a rank per micro-batch is the time model's (`schedule.stage_seconds`), divided among the rank's chunks in proportion to
    their layers, embedding and head. Forward passes and gradients of weights have the shares that they have of a layer; recomputation is
    part of the gradients of inputs.
    """
    alone = plan.with_(pp=plan.pp * plan.vpp, vpp=1, schedule=0)  # each chunk as a separate rank
    ranks = stage_cost.stage_kinds(job, plan.column(), plan.every_stage())
    work, repeated, forward, weights = _stage_times(job, plan, ranks)
    share_work, share_repeated, _, _ = _stage_times(job, alone, stage_cost.virtual_kinds(job, plan))
    seconds = np.zeros((len(KINDS), alone.pp))
    for rank in range(plan.pp):
        chunks = [virtual_stage(plan, rank, chunk) for chunk in range(plan.vpp)]
        parts = _shared(work[rank], share_work[chunks]), _shared(repeated[rank], share_repeated[chunks])
        seconds[FORWARD, chunks] = forward * parts[0]
        seconds[WEIGHTS, chunks] = weights * parts[0]
        seconds[INPUTS, chunks] = (1 - forward - weights) * parts[0] + parts[1]
    seconds[BACKWARD] = seconds[INPUTS] + seconds[WEIGHTS]
    return seconds


def _stage_times(job: Job, plan: Plan, layers: stage_cost.Layers) -> tuple[Column, Column, float, float]:
    """Per stage: seconds per micro-batch without recomputation, seconds of recomputation; shares of forward pass and weight gradients."""
    column, stage = plan.column(), plan.every_stage()
    cost = layer_cost.kinds(job, column)
    c = stage_cost.stage_cost(job, column, stage_cost.Edges(stage, layers, pipeline_split.chunk_layers(job, column)), cost)
    most = cost.sparse or cost.dense
    forward = most.busy_forward / most.busy_layer
    weights = np.minimum(schedule.weight_share(most.weight_seconds, most.busy_layer, most.layer_host), 1.0 - forward)
    work, repeated = (np.broadcast_to(v, stage.shape)[:, 0] for v in (c.stage_work, stage_cost.repeats(job, column, c)))
    return work, repeated, float(np.max(forward)), float(np.max(weights))


def _shared(total: float, weights: Column) -> Column:
    """A total divided in proportion to weights; evenly where their sum is 0."""
    weight_sum = float(weights.sum())
    return total * weights / weight_sum if weight_sum > 0 else np.full(len(weights), total / len(weights))


def run(plan: Plan, orders: Sequence[Sequence[Block]], duration: Column, cancelled: Callable[[], bool] = lambda: False) -> tuple[Rank, ...]:
    """Run each rank's passes in order, each as soon as the rank is free and its inputs exist; durations in seconds from `durations`."""
    p, stages = int(plan.pp), int(plan.pp * plan.vpp)
    place = [[virtual_stage(plan, rank, chunk) for chunk in range(plan.vpp)] for rank in range(p)]
    seconds: list[list[float]] = duration.tolist()
    done: dict[Output, float] = {}  # when the output of a pass exists
    at, free, runs = [0] * p, [0.0] * p, [_Run() for _ in range(p)]
    waits: dict[Output, int] = {}  # output -> the rank that waits for it
    ready = list(range(p))
    while ready and not cancelled():
        rank = ready.pop()
        while at[rank] < len(orders[rank]):
            block = orders[rank][at[rank]]
            begin = free[rank]
            for kind, chunk, j in block:
                required = _needs(kind, place[rank][chunk], j, stages)
                if required is not None:
                    if required not in done:
                        waits[required] = rank
                        break
                    begin = max(begin, done[required])
            else:
                free[rank] = runs[rank].add(block, begin, [seconds[kind][place[rank][chunk]] for kind, chunk, _ in block])
                at[rank] += 1
                for kind, chunk, j in block:
                    if kind != WEIGHTS:
                        output = (kind == FORWARD, place[rank][chunk], j)
                        done[output] = free[rank]
                        if output in waits:
                            ready.append(waits.pop(output))
                continue
            break
    if waits and not cancelled():
        raise TmplanError(f"internal: the passes of pp {p}, vpp {plan.vpp} wait for each other; please report this")
    return tuple(each.rank() for each in runs)


Output = tuple[bool, int, int]  # the output of a pass: whether forward, virtual stage, micro-batch


class _Run:
    """The passes of one rank during the run."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, int, int]] = []
        self.starts: list[float] = []
        self.ends: list[float] = []

    def add(self, block: Block, begin: float, seconds: Sequence[float]) -> float:
        """Append a block that begins at a time and return its end. Overlapped passes share its time, drawn in sequence."""
        for one, duration in zip(block, seconds, strict=True):
            self.passes.append(one)
            self.starts.append(begin)
            begin += duration
            self.ends.append(begin)
        return begin

    def rank(self) -> Rank:
        """The passes as columns."""
        kind, chunk, micro = np.array(self.passes, np.int64).reshape(-1, 3).T
        return Rank(kind, chunk, micro, np.array(self.starts), np.array(self.ends))


def _needs(kind: int, stage: int, j: int, stages: int) -> Output | None:
    """The output of another stage that a pass requires; None where the rank's order is sufficient."""
    if kind == WEIGHTS or (kind == FORWARD and stage == 0):
        return None
    if kind == FORWARD:
        return (True, stage - 1, j)
    return (False, stage + 1, j) if stage < stages - 1 else (True, stage, j)
