"""Measured steps of one cluster: the rows of a runs file with step times, and the cluster preset a calibration starts from."""

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
from planner.runs.configure import Configured, Row, cell, configured, refusal, whole
from planner.runs.network_of_row import GIGABIT, nic_of
from planner.runs.predict import batches, filled
from planner.specs.hardware import Cluster, Gpu
from planner.specs.job import RECOMPUTES, Job

MOST_RUNS = 5_000  # a few dozen suffice to calibrate a cluster
FOLLOWS = ("dp", "gpus_per_node", "interconnect")  # derived from other columns or the cluster, so not reported as assumed


@dataclass(frozen=True)
class MeasuredSteps:
    """Rows on one GPU preset, with the configuration, the measured step time in seconds and the line of each."""

    rows: tuple[Row, ...]
    items: tuple[Configured, ...]
    seconds: tuple[float, ...]
    lines: tuple[int, ...]
    gpu: str
    where: str  # the file

    def common_value(self, key: str, values: Sequence[Any]) -> Any:
        """The value common to all rows, ignoring None; None if all are None. FileError if they differ."""
        first: dict[Any, int] = {}
        for value, line in zip(values, self.lines, strict=True):
            if value is not None:
                first.setdefault(value, line)
        if len(first) > 1:
            (a, i), (b, j), *_ = first.items()
            raise FileError(
                f"column '{key}' is {named(str(a))} on line {i} and {named(str(b))} on line {j}; calibrate one cluster at a time",
                where=self.where,
            )
        return next(iter(first), None)


def measured(numbered: Sequence[tuple[int, Row]], where: str) -> MeasuredSteps:
    """The rows of a file with their step times; FileError for the first line without one, or that cannot be modelled."""
    if len(numbered) > MOST_RUNS:
        raise FileError(f"has {len(numbered):,} runs; calibrate on at most {MOST_RUNS:,}; a few dozen suffice", where=where)
    steps = []
    for line, row in numbered:
        try:
            if not cell(row, "step_s"):
                raise TmplanError("column 'step_s' is blank; remove rows without a measured step time")
            seconds = step_of(row)
            steps.append((row, configured(row), seconds, line, presets.listed("gpus", cell(row, "gpu"))))
        except TmplanError as error:
            raise FileError(f"line {line}: {refusal(error)}", where=where) from None
    rows, items, times, lines, gpus = zip(*steps, strict=True)
    data = MeasuredSteps(rows, items, times, lines, gpus[0], where)
    data.common_value("gpu", gpus)
    return data


def base(data: MeasuredSteps, cluster: str | None) -> ClusterPreset:
    """The initial cluster: a preset, or the nodes and network of the rows and the links of the GPU. FileError if rows contradict it."""
    gpu = presets.gpu(data.gpu)
    node = data.common_value("gpus_per_node", [whole(row, "gpus_per_node", 0, 0) or None for row in data.rows])
    if cluster is not None:
        shape = presets.cluster(cluster)
        if shape.gpu != data.gpu:
            raise FileError(f"the runs are on {data.gpu}, cluster {shape.name} has {shape.gpu}", where=data.where)
        if node not in (None, shape.gpus_per_node):
            raise FileError(f"nodes have {node} GPUs, those of cluster {shape.name} {shape.gpus_per_node}", where=data.where)
        return replace(shape, link_bytes_s=shape.link_bytes_s or gpu.link_bytes_s, nic_bytes_s=shape.nic_bytes_s or gpu.nic_bytes_s)
    node = node or 8
    nic = data.common_value("interconnect", [nic_of(row, node) for row in data.rows])
    return ClusterPreset(
        name="measured", gpu=data.gpu, gpus_per_node=node, link_domain=max(node, gpu.link_domain) if gpu.link_domain > 8 else node,
        link_bytes_s=gpu.link_bytes_s, nic_bytes_s=nic * GIGABIT if nic else gpu.nic_bytes_s, host_memory_bytes=Cluster.host_memory_bytes,
        gpus=max(item.job.cluster.gpus for item in data.items),
    )  # fmt: skip


def runs_on(data: MeasuredSteps, shape: ClusterPreset, gpu: Gpu) -> Runs:
    """The runs on a cluster preset, resolved as by `tmplan plan --cluster`, in batches by job, without blanks. FileError names the line."""
    items = []
    for item, line in zip(data.items, data.lines, strict=True):
        try:
            items.append(replace(item, job=_on(item.job, shape, gpu)))
        except TmplanError as error:
            raise FileError(f"line {line}: {refusal(error)}", where=data.where) from None
    filled_batches = tuple(replace(batch, plan=filled(batch)) for batch in batches(items))
    order = np.array([i for batch in filled_batches for i in batch.rows])
    ends = np.cumsum([0, *(len(batch.rows) for batch in filled_batches)])
    return Runs(filled_batches, order, np.array(data.seconds)[order], np.full(len(order), ""), ends)


def moved(runs: Runs, shape: ClusterPreset, gpu: Gpu) -> Runs:
    """The same runs with the same plans on another cluster preset."""
    return replace(runs, batches=tuple(replace(batch, job=_on(batch.job, shape, gpu)) for batch in runs.batches))


def _on(job: Job, shape: ClusterPreset, gpu: Gpu) -> Job:
    """The job on the same number of GPUs of a cluster preset, which may be unsaved."""
    recorded = Recorded({("cluster", shape.name): shape, ("gpu", shape.gpu): gpu})
    return replace(job, cluster=resolve(Inputs({"cluster": shape.name, "gpus": job.cluster.gpus}, recorded)).cluster)


def assumed(data: MeasuredSteps, runs: Runs) -> Counter[str]:
    """The values assumed for blanks, with the number of rows of each."""
    counts = Counter(f"{key} {value}".lower() for item in data.items for key, value in item.assumed.items() if key not in FOLLOWS)
    for batch in runs.batches:
        for i in range(len(batch.rows)):
            counts.update([f"recompute {RECOMPUTES[int(batch.plan.recompute[i])]}"] * (not batch.recompute_given[i]))
            counts.update([f"micro_batch {int(batch.plan.micro_batch[i])}"] * (not batch.micro_batch_given[i]))
    return counts


@dataclass(frozen=True)
class Link:
    """A scale-up link from measured collectives; bytes/s."""

    rate: float  # one way, at which long messages take the measured time in the model
    plateau: float  # measured bus bandwidth
    ranks: int


def link(job: Job, fits: Sequence[FittedCollective], where: str) -> Link:
    """The link's rate from the bus bandwidth of its collectives, which is a fixed share of the rate in the model.

    FileError without collectives within a scale-up domain.
    """
    domain, now = job.cluster.link_domain, job.cluster.link_bytes_s
    within = tuple(fit for fit in fits if fit.ranks <= domain)
    if not within:
        raise FileError(f"must have collectives within a scale-up domain, of at most {domain} GPUs", where=where)
    ranks = max(fit.ranks for fit in within)
    plateau = link_constants(within, now).fraction * now
    inside = replace(job, cluster=replace(job.cluster, gpus=ranks, gpus_per_node=min(ranks, job.cluster.gpus_per_node)))
    short, long = (float(gather_seconds(inside, Count(ranks), Count(1), Bytes(size))) for size in (2.0**30, 2.0**31))
    reached = wire_bytes("all_gather", ranks, 2.0**30) / (long - short)
    return Link(float(now * plateau / reached), plateau, ranks)
