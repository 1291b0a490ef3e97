"""The schedule of a plan as it runs: every pass of every micro-batch on every pipeline rank, when it begins and ends.

Passes run in the order the framework issues them (`pipeline_passes`), each as soon as its rank is free and what it needs is there: a
forward pass the stage before, a backward pass the stage behind. They take what the time model says the stage takes. Sends take no
time here; the time model counts those that nothing hides apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from planner.cost import layer_cost as layercosts
from planner.cost import moe as experts
from planner.cost import pipeline_split as split
from planner.cost import schedule, shard
from planner.cost import stage_cost as stagecosts
from planner.cost.evaluate import evaluate
from planner.cost.pipeline_split import V
from planner.errors import FieldError, TmplanError
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, KINDS, WEIGHTS, Block, order, virtual_stage
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

MOST = 150_000  # passes that are worked out; of a step with more, fewer micro-batches, the steady state being all alike
LIMIT = 4 * MOST  # passes of the fewest micro-batches that fill a pipeline and drain it; one with more is refused
FILLS = 3  # micro-batches a rank that fill a pipeline, run it full and drain it, under every schedule


@dataclass(frozen=True)
class Rank:
    """The passes of one pipeline rank in the order they run: kind (index into passes.KINDS), chunk, micro-batch, begin and end; seconds."""

    kind: Column
    chunk: Column
    micro_batch: Column
    start: Column
    end: Column

    def __len__(self) -> int:
        return len(self.kind)

    def held(self, chunks: int) -> float:
        """Micro-batches whose activations this rank holds at its peak, in units of all its layers."""
        change = np.select([self.kind == FORWARD, self.kind != INPUTS], [1, -1], 0)
        return float(np.cumsum(change).max(initial=0)) / chunks


@dataclass(frozen=True)
class Timeline:
    """A step's passes. Seconds from the first; `micro_batches` of the step, of which `drawn` were worked out."""

    plan: Plan
    ranks: tuple[Rank, ...]
    micro_batches: int
    drawn: int
    slowest: float  # seconds that the slowest rank is busy with one micro-batch
    model_bubble: float  # what the time model counts

    @property
    def seconds(self) -> float:
        """From the first pass to the last one's end."""
        return max(float(rank.end[-1]) for rank in self.ranks)

    @property
    def bubble(self) -> float:
        """The longest that a rank is at its passes, first to last, less the work of the slowest: what filling and draining costs.

        Measured rank by rank, because zero-bubble schedules let each rank begin its optimizer step when it is done (Qi et al. 2023,
        Section 4).
        """
        return max(float(rank.end[-1] - rank.start[0]) for rank in self.ranks) - self.drawn * self.slowest


def timeline(job: Job, plan: Plan, *, cancelled: Callable[[], bool] = lambda: False) -> Timeline:
    """The passes of one plan's pipeline; one without a pipeline has one rank, whose passes follow each other.

    FieldError where even the fewest micro-batches that fill the pipeline are too many passes to be worked out.
    """
    column = plan.column()
    count = round(float(shard.micro_batches(job, column)[0]))
    refuse_too_many(plan, count)
    drawn, group = to_draw(plan, count)
    took = durations(job, plan)
    ahead = int(np.max(experts.ahead(job, column))) if job.model.experts else 0
    orders = [order(plan, rank, drawn, group, ahead) for rank in range(plan.pp)]
    ranks = run(plan, orders, took, cancelled)
    bubble = float(evaluate(job, plan).time_parts.bubble[0])
    busy = took[[FORWARD, BACKWARD]].sum(axis=0)
    own = [sum(float(busy[virtual_stage(plan, rank, chunk)]) for chunk in range(plan.vpp)) for rank in range(plan.pp)]
    return Timeline(plan, ranks, count, drawn, max(own), bubble)


def refuse_too_many(plan: Plan, count: int) -> None:
    """FieldError where more than LIMIT passes would be worked out; it says about how long a pipeline is drawn."""
    asked = passes(plan, count)
    if asked <= LIMIT:
        return
    drawn, _ = to_draw(plan, count)
    stages = f"pp {plan.pp:,}" + f" with {plan.vpp:,} virtual stages a rank" * (plan.vpp > 1)
    pp = isqrt(LIMIT // (FILLS * kinds(plan) * int(plan.vpp)))
    raise FieldError(
        "pp",
        f"the pipeline of {stages} is too long to draw: {drawn:,} micro-batches, which fill it and drain it, are {asked:,} passes, "
        f"and at most {LIMIT:,} are worked out; take a plan with pp of up to about {pp:,}",
    )


def passes(plan: Plan, count: int) -> int:
    """How many passes are worked out for a plan whose step has so many micro-batches."""
    drawn, _ = to_draw(plan, count)
    issued = max(drawn, 2 * int(plan.pp) - 1) if plan.schedule == V else drawn  # ZB-V is written for so many, and then cut
    return kinds(plan) * int(plan.pp * plan.vpp) * issued


def kinds(plan: Plan) -> int:
    """Passes, at most, of a micro-batch through one virtual stage: forward and backward, or forward and the halves of backward."""
    return 3 if plan.schedule else 2


def to_draw(plan: Plan, count: int) -> tuple[int, int]:
    """Of so many micro-batches of a step, those that are worked out, and those of an interleaved schedule's round."""
    group = int(split.round_size(plan.pp, count))
    return fewer(int(plan.pp * plan.vpp), int(plan.pp), count, group), group


def fewer(stages: int, pp: int, count: int, group: int) -> int:
    """How many micro-batches are worked out: all, or where those are too many passes whole groups of them, enough to fill the pipeline."""
    wanted = max(MOST // (3 * stages), FILLS * pp)
    return min(count, -(-wanted // group) * group)


def durations(job: Job, plan: Plan) -> Column:
    """Seconds of each kind of pass on each virtual stage, in the order of the layers; shape of kinds x stages.

    What a rank takes for a micro-batch is the time model's (`schedule.stage_seconds`); it is shared among the rank's chunks as they
    would share it by their layers, embedding and head. Forward passes and gradients of weights have the share that a layer's have;
    recomputation belongs to the gradients of inputs.
    """
    alone = plan.with_(pp=plan.pp * plan.vpp, vpp=1, schedule=0)  # each chunk as a rank of its own
    ranks = stagecosts.stage_kinds(job, plan.column(), plan.every_stage())
    work, repeated, forward, weights = _stage_times(job, plan, ranks)
    share_work, share_repeated, _, _ = _stage_times(job, alone, stagecosts.virtual_kinds(job, plan))
    found = np.zeros((len(KINDS), alone.pp))
    for rank in range(plan.pp):
        own = [virtual_stage(plan, rank, chunk) for chunk in range(plan.vpp)]
        parts = _shared(work[rank], share_work[own]), _shared(repeated[rank], share_repeated[own])
        found[FORWARD, own] = forward * parts[0]
        found[WEIGHTS, own] = weights * parts[0]
        found[INPUTS, own] = (1 - forward - weights) * parts[0] + parts[1]
    found[BACKWARD] = found[INPUTS] + found[WEIGHTS]
    return found


def _stage_times(job: Job, plan: Plan, layers: stagecosts.Layers) -> tuple[Column, Column, float, float]:
    """Of each stage the seconds of a micro-batch, nothing repeated, and what is repeated; shares of forward pass and weight gradients."""
    column, stage = plan.column(), plan.every_stage()
    cost = layercosts.kinds(job, column)
    c = stagecosts.stage_cost(job, column, stagecosts.Edges(stage, layers, split.chunk_layers(job, column)), cost)
    most = cost.sparse or cost.dense
    forward = most.busy_forward / most.busy_layer
    weights = np.minimum(schedule.weight_share(most.weight_seconds, most.busy_layer, most.layer_host), 1.0 - forward)
    work, repeated = (np.broadcast_to(v, stage.shape)[:, 0] for v in (c.stage_work, stagecosts.repeats(job, column, c)))
    return work, repeated, float(np.max(forward)), float(np.max(weights))


def _shared(total: float, weights: Column) -> Column:
    """A total divided in proportion; evenly where there is no proportion."""
    whole = float(weights.sum())
    return total * weights / whole if whole > 0 else np.full(len(weights), total / len(weights))


def run(plan: Plan, orders: Sequence[Sequence[Block]], took: Column, cancelled: Callable[[], bool] = lambda: False) -> tuple[Rank, ...]:
    """Run each rank's passes in order, each as soon as the rank is free and what it needs is done; seconds from `durations`."""
    p, stages = int(plan.pp), int(plan.pp * plan.vpp)
    place = [[virtual_stage(plan, rank, chunk) for chunk in range(plan.vpp)] for rank in range(p)]
    seconds: list[list[float]] = took.tolist()
    done: dict[Made, float] = {}  # when what a pass hands on is there
    at, free, runs = [0] * p, [0.0] * p, [_Run() for _ in range(p)]
    waits: dict[Made, int] = {}  # what a rank waits for -> that rank
    ready = list(range(p))
    while ready and not cancelled():
        rank = ready.pop()
        while at[rank] < len(orders[rank]):
            block = orders[rank][at[rank]]
            begin = free[rank]
            for kind, chunk, j in block:
                needed = _needs(kind, place[rank][chunk], j, stages)
                if needed is not None:
                    if needed not in done:
                        waits[needed] = rank
                        break
                    begin = max(begin, done[needed])
            else:
                free[rank] = runs[rank].add(block, begin, [seconds[kind][place[rank][chunk]] for kind, chunk, _ in block])
                at[rank] += 1
                for kind, chunk, j in block:
                    if kind != WEIGHTS:
                        made = (kind == FORWARD, place[rank][chunk], j)
                        done[made] = free[rank]
                        if made in waits:
                            ready.append(waits.pop(made))
                continue
            break
    if waits and not cancelled():
        raise TmplanError(f"internal: the passes of pp {p}, vpp {plan.vpp} wait for each other; please report this")
    return tuple(each.rank() for each in runs)


Made = tuple[bool, int, int]  # what a pass hands on: of a forward pass or a backward one, virtual stage, micro-batch


class _Run:
    """The passes of one rank as they run."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, int, int]] = []
        self.starts: list[float] = []
        self.ends: list[float] = []

    def add(self, block: Block, begin: float, seconds: Sequence[float]) -> float:
        """A block that begins then; when it ends. Passes side by side share its time, drawn one behind the other."""
        for one, took in zip(block, seconds, strict=True):
            self.passes.append(one)
            self.starts.append(begin)
            begin += took
            self.ends.append(begin)
        return begin

    def rank(self) -> Rank:
        """What ran, as columns."""
        kind, chunk, micro = np.array(self.passes, np.int64).reshape(-1, 3).T
        return Rank(kind, chunk, micro, np.array(self.starts), np.array(self.ends))


def _needs(kind: int, stage: int, j: int, stages: int) -> Made | None:
    """What another stage must have done before a pass; None where its own rank's order says it all."""
    if kind == WEIGHTS or (kind == FORWARD and stage == 0):
        return None
    if kind == FORWARD:
        return (True, stage - 1, j)
    return (False, stage + 1, j) if stage < stages - 1 else (True, stage, j)
