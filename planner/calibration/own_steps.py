"""Measured steps of one's own: rows of one cluster with their seconds, and the cluster preset they start from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner import presets
from planner.calibration.fit import Runs, step_of
from planner.calibration.kernel_tables import FittedCollective, link_constants, wire_bytes
from planner.cost.collectives import gather_seconds
from planner.dimensions import Bytes, Count
from planner.document.inputs import Inputs, Recorded, resolve
from planner.errors import FileError, TmplanError
from planner.plaintext import named
from planner.presets import ClusterPreset
from planner.runs.configure import GIGABIT, Configured, Row, configured, nic_gbit, refusal, told, whole
from planner.runs.predict import batches, filled
from planner.specs.hardware import Cluster, Gpu
from planner.specs.job import RECOMPUTES, Job

MOST_RUNS = 5_000  # a few dozen tell all that there is to tell of a cluster
FOLLOWS = ("dp", "gpus_per_node", "interconnect")  # from other columns, or from the cluster


@dataclass(frozen=True)
class Measured:
    """Rows of one GPU preset, as they were configured, with the line and the measured seconds of each."""

    rows: tuple[Row, ...]
    items: tuple[Configured, ...]
    seconds: tuple[float, ...]
    lines: tuple[int, ...]
    gpu: str
    where: str  # the file

    def told_once(self, key: str, values: Sequence[Any]) -> Any:
        """The one value that the rows tell, None where none does; FileError where they differ."""
        first: dict[Any, int] = {}
        for value, line in zip(values, self.lines, strict=True):
            if value is not None:
                first.setdefault(value, line)
        if len(first) > 1:
            (a, i), (b, j), *_ = first.items()
            raise FileError(
                f"column '{key}' tells {named(str(a))} on line {i} and {named(str(b))} on line {j}; calibrate one cluster at a time",
                where=self.where,
            )
        return next(iter(first), None)


def measured(numbered: Sequence[tuple[int, Row]], where: str) -> Measured:
    """The rows of a file with their seconds; FileError names the first line that tells none, or cannot be modelled."""
    if len(numbered) > MOST_RUNS:
        raise FileError(f"holds {len(numbered):,} runs; a calibration takes at most {MOST_RUNS:,}, and a few dozen do", where=where)
    found = []
    for line, row in numbered:
        try:
            if not told(row, "step_s"):
                raise TmplanError("column 'step_s' is blank; leave out the rows whose step was not measured")
            seconds = step_of(row)
            found.append((row, configured(row), seconds, line, presets.listed("gpus", told(row, "gpu"))))
        except TmplanError as error:
            raise FileError(f"line {line}: {refusal(error)}", where=where) from None
    rows, items, times, lines, gpus = zip(*found, strict=True)
    data = Measured(rows, items, times, lines, gpus[0], where)
    data.told_once("gpu", gpus)
    return data


def base(data: Measured, cluster: str | None) -> ClusterPreset:
    """The cluster to begin with: a preset, or nodes and network as the rows tell them, links as the GPU has them."""
    gpu = presets.gpu(data.gpu)
    node = data.told_once("gpus_per_node", [whole(row, "gpus_per_node", 0, 0) or None for row in data.rows])
    if cluster is not None:
        shape = presets.cluster(cluster)
        if shape.gpu != data.gpu:
            raise FileError(f"the runs are on {data.gpu}, cluster {shape.name} has {shape.gpu}", where=data.where)
        if node not in (None, shape.gpus_per_node):
            raise FileError(f"nodes hold {node} GPUs, those of cluster {shape.name} {shape.gpus_per_node}", where=data.where)
        return replace(shape, link_bytes_s=shape.link_bytes_s or gpu.link_bytes_s, nic_bytes_s=shape.nic_bytes_s or gpu.nic_bytes_s)
    node = node or 8
    nic = data.told_once("interconnect", [nic_gbit(told(row, "interconnect"), node) for row in data.rows])
    return ClusterPreset(
        name="measured", gpu=data.gpu, gpus_per_node=node, link_domain=max(node, gpu.link_domain) if gpu.link_domain > 8 else node,
        link_bytes_s=gpu.link_bytes_s, nic_bytes_s=nic * GIGABIT if nic else gpu.nic_bytes_s, host_memory_bytes=Cluster.host_memory_bytes,
        gpus=max(item.job.cluster.gpus for item in data.items),
    )  # fmt: skip


def runs_on(data: Measured, shape: ClusterPreset, gpu: Gpu) -> Runs:
    """The runs on a cluster preset, as `tmplan plan --cluster` would have it, gathered by job, their blanks filled."""
    items = []
    for item, line in zip(data.items, data.lines, strict=True):
        try:
            items.append(replace(item, job=_on(item.job, shape, gpu)))
        except TmplanError as error:
            raise FileError(f"line {line}: {refusal(error)}", where=data.where) from None
    found = tuple(replace(batch, plan=filled(batch)) for batch in batches(items))
    order = np.array([i for batch in found for i in batch.rows])
    ends = np.cumsum([0, *(len(batch.rows) for batch in found)])
    return Runs(found, order, np.array(data.seconds)[order], np.full(len(order), ""), ends)


def moved(runs: Runs, shape: ClusterPreset, gpu: Gpu) -> Runs:
    """The same runs and the same plans on another cluster preset."""
    return replace(runs, batches=tuple(replace(batch, job=_on(batch.job, shape, gpu)) for batch in runs.batches))


def _on(job: Job, shape: ClusterPreset, gpu: Gpu) -> Job:
    """A job on so many GPUs of a cluster preset that need not be saved yet."""
    recorded = Recorded({("cluster", shape.name): shape, ("gpu", shape.gpu): gpu})
    return replace(job, cluster=resolve(Inputs({"cluster": shape.name, "gpus": job.cluster.gpus}, recorded)).cluster)


def assumed(data: Measured, runs: Runs) -> Counter[str]:
    """What blanks were taken for, and in how many rows."""
    found = Counter(f"{key} {value}".lower() for item in data.items for key, value in item.assumed.items() if key not in FOLLOWS)
    for batch in runs.batches:
        for i in range(len(batch.rows)):
            found.update([f"recompute {RECOMPUTES[int(batch.plan.recompute[i])]}"] * (not batch.told[i]))
            found.update([f"micro_batch {int(batch.plan.micro_batch[i])}"] * (not batch.micro_told[i]))
    return found


@dataclass(frozen=True)
class Link:
    """A scale-up link as collectives measured it; bytes/s."""

    rate: float  # one way, at which the model's long messages take as long as measured
    plateau: float  # the bus bandwidth measured
    ranks: int


def link(job: Job, fits: Sequence[FittedCollective], where: str) -> Link:
    """The link's rate from the plateau of its collectives: the model reaches a fixed share of a rate, so the rate follows."""
    domain, now = job.cluster.link_domain, job.cluster.link_bytes_s
    within = tuple(fit for fit in fits if fit.ranks <= domain)
    if not within:
        raise FileError(f"must hold collectives within a scale-up domain, of at most {domain} GPUs", where=where)
    ranks = max(fit.ranks for fit in within)
    plateau = link_constants(within, now).fraction * now
    inside = replace(job, cluster=replace(job.cluster, gpus=ranks, gpus_per_node=min(ranks, job.cluster.gpus_per_node)))
    short, long = (float(gather_seconds(inside, Count(ranks), Count(1), Bytes(size))) for size in (2.0**30, 2.0**31))
    reached = wire_bytes("all_gather", ranks, 2.0**30) / (long - short)
    return Link(float(now * plateau / reached), plateau, ranks)
