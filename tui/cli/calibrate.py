"""`tmplan calibrate`: a cluster preset of one's own, from a few measured steps and, where there are some, measured kernels."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from planner import presets
from planner.calibration import kernel_tables as kernels
from planner.calibration import own_steps as measured
from planner.calibration import write_preset as presetfile
from planner.calibration.calibrate import FACTORS, calibrated, predicted
from planner.calibration.fit import Runs
from planner.calibration.kernel_tables import FittedGemm
from planner.calibration.own_steps import Link, Measured
from planner.document.version import version
from planner.errors import FileError
from planner.presets import ClusterPreset
from planner.specs.hardware import CACHED, Gpu
from tui.cli.answer import Answer, narrate
from tui.cli.estimate import numbered
from tui.cli.plan import reporting

# Factor -> what it is, and what one unit of it is in base units.
LINES = {
    "pace": ("time of the device's work", 1.0),
    "host_pace": ("time of the host's work", 1.0),
    "link_bytes_s": ("scale-up link, GB/s", 1e9),
    "nic_bytes_s": ("network, Gb/s a GPU", 1.25e8),
}
KEYS = {"pace": "pace", "host_pace": "host_pace", "link_bytes_s": "link_gb_s", "nic_bytes_s": "nic_gbit_s"}  # in the file
FAR = 10.0  # percent; a run that stays this far off is told
ABOVE = 1.1  # times the peak: products faster than that are of another GPU, or of another precision
MANY = 20  # runs that take a while
SHOWN = 8  # blanks told one by one


@dataclass(frozen=True)
class Outcome:
    """The cluster before and after, the runs' errors on either in percent, and what was measured beside the runs."""

    name: str
    base: ClusterPreset
    shape: ClusterPreset
    before: Any
    after: Any
    gpus: tuple[Gpu, Gpu]
    gemm: FittedGemm | None = None
    link: Link | None = None

    @property
    def runs(self) -> str:
        """How many runs it rests on, in words."""
        return f"{len(self.before):,} run{'s' * (len(self.before) != 1)}"

    @property
    def errors(self) -> str:
        """The runs and their mean errors, in words."""
        return f"{self.runs}, mean error of a step {mean(self.before):.1f} % before and {mean(self.after):.1f} % after"


def calibrate(path: str, *, name: str, cluster: str | None, gemm: str | None, nccl: str | None, force: bool) -> Answer:
    """Find how the cluster of the measured runs differs from its preset, save that as a preset, and print it."""
    presetfile.named(name)
    for kind in () if force else ("clusters", "gpus") if gemm else ("clusters",):
        presetfile.free(kind, name)
    data = measured.measured(numbered(path, "step_s"), path)
    base, gpu = measured.base(data, cluster), presets.gpu(data.gpu)
    runs = measured.runs_on(data, base, gpu)
    made = f"`tmplan calibrate`, tmplan {version()}, {today()}"
    files: dict[Path, str] = {}
    shape, found = base, Outcome(name, base, base, errors(runs), None, (gpu, gpu))
    if gemm:
        fitted = products(gemm, gpu)
        source = f"{presetfile.printable(gemm)}, {fitted.rows:,} products, mean error {100 * fitted.error:.1f} %; {made}"
        table, file = presetfile.gpu_table(data.gpu, fitted, source), presetfile.path_of("gpus", name)
        files[file] = presetfile.text([f"{gpu.name} with matrix products measured here, by {made}"], table, {})
        gpu, shape = presets.gpu_of(table, file), replace(shape, gpu=name)
        found = replace(found, gpus=(found.gpus[0], gpu), gemm=fitted)
    if nccl:
        link = measured.link(runs.batches[0].job, kernels.fit_collectives(kernels.read_nccl(nccl)), nccl)
        shape = presetfile.rounded(shape, {"link_bytes_s": link.rate / runs.batches[0].job.cluster.link_bytes_s})
        found = replace(found, link=link)
    if len(data.items) > MANY:
        narrate(f"{found.runs}; finding the factors they make most probable")
    factors = calibrated(
        measured.moved(runs, shape, gpu), held=("link_bytes_s",) if nccl else (), progress=reporting("evaluations of a run")
    ).factors
    shape = replace(presetfile.rounded(shape, factors), name=name, calibrated_runs=len(data.items))
    found = replace(found, shape=shape, after=errors(measured.moved(runs, shape, gpu)))
    shape = replace(shape, sources=sources(found, path, cluster, nccl, made))
    file = presetfile.path_of("clusters", name)
    head = (f"a cluster calibrated on measured runs, by {made}", f"{presetfile.printable(path)}: {found.errors}")
    files[file] = presetfile.text(head, presetfile.cluster_table(shape), notes(found))
    presetfile.save(files, force=force)
    narrate_all(data, runs, found, file)
    return Answer(table_of(found))


def today() -> str:
    """The date, for the file."""
    return datetime.date.today().isoformat()


def errors(runs: Runs) -> Any:
    """Predicted over measured less one, in percent, in the order of the rows."""
    found = np.empty(len(runs.measured))
    found[runs.rows] = 100 * (predicted(runs, np.zeros(len(FACTORS))) / runs.measured - 1)
    return found


def mean(errors: Any) -> float:
    """The mean size of errors."""
    return float(np.mean(np.abs(errors)))


def products(path: str, gpu: Gpu) -> FittedGemm:
    """A GPU's matrix products as measured, held at its peak in training and at what caches add to its bandwidth, which a fit may pass;
    FileError where they cannot be of it.
    """
    fitted = kernels.fit_gemm(kernels.read_gemm(path))
    rate, peak = fitted.gemm.flops_s / 1e12, gpu.flops_bf16 / 1e12
    if rate > ABOVE * peak:
        raise FileError(f"its products near {rate:,.0f} TFLOP/s, {gpu.name} has a peak of {peak:,.0f}; is it of another GPU?", where=path)
    flops_s, bytes_s = gpu.flops_bf16 / gpu.gemm.training, CACHED * gpu.hbm_bytes_s
    held = replace(fitted.gemm, flops_s=min(fitted.gemm.flops_s, flops_s), bytes_s=min(fitted.gemm.bytes_s, bytes_s))
    return replace(fitted, gemm=held)


def sources(found: Outcome, path: str, cluster: str | None, nccl: str | None, made: str) -> tuple[str, ...]:
    """Where every number of the preset comes from."""
    begun = f"cluster preset {found.base.name}" if cluster else f"the runs' nodes and network, links of {found.gpus[0].name}"
    own = [f"{path}: {found.errors}; {made}", f"begun with {begun}"]
    if nccl and found.link:
        own.append(f"link: {nccl}, {found.link.plateau / 1e9:.4g} GB/s over {found.link.ranks} GPUs")
    return tuple(map(presetfile.printable, own)) + found.base.sources


def notes(found: Outcome) -> Mapping[str, str]:
    """What stands behind the keys of the file that were found."""
    return {KEYS[factor]: f"{LINES[factor][0]}: {before:.6g} before" for factor, before, _ in changes(found)} | {
        "calibrated_runs": "that the values above rest on"
    }


def changes(found: Outcome) -> list[tuple[str, float, float]]:
    """Every factor with its value before and after, in the unit it is told in."""
    pairs = ((factor, unit, getattr(found.base, factor), getattr(found.shape, factor)) for factor, (_, unit) in LINES.items())
    return [(factor, before / unit, after / unit) for factor, unit, before, after in pairs]


def table_of(found: Outcome) -> str:
    """What was found, a line a factor, and the error before and after."""
    rows = [("", "before", "after", "factor")]
    for factor, before, after in changes(found):
        word = "measured" if factor == "link_bytes_s" and found.link else "as it was" if before == after else f"{after / before:.3f}"
        rows.append((LINES[factor][0], f"{before:.4g}", f"{after:.4g}", word))
    if found.gemm:
        before, after = (gpu.gemm.flops_s / 1e12 for gpu in found.gpus)
        rows.append(("matrix products near, TFLOP/s", f"{before:.4g}", f"{after:.4g}", "measured"))
    rows.append((f"mean error of {found.runs}, %", f"{mean(found.before):.1f}", f"{mean(found.after):.1f}", ""))
    first = max(len(row[0]) for row in rows)
    return "".join(f"{row[0].ljust(first)}{row[1]:>10s}{row[2]:>10s}{row[3]:>11s}".rstrip() + "\n" for row in rows)


def narrate_all(data: Measured, runs: Runs, found: Outcome, file: Path) -> None:
    """What blanks were taken for, what stays far off, where the preset is and how it is used."""
    if blanks := measured.assumed(data, runs).most_common():
        more = f" and {len(blanks) - SHOWN} more" if len(blanks) > SHOWN else ""
        narrate(f"blanks were taken for: {', '.join(f'{what} ({count:,})' for what, count in blanks[:SHOWN])}{more}")
    worst = int(np.argmax(np.abs(found.after)))
    if abs(found.after[worst]) > FAR:
        narrate(f"the run on line {data.lines[worst]} stays {found.after[worst]:+.0f} % off; is all of it as it was run?")
    if found.link:
        rate, plateau = found.shape.link_bytes_s or 0.0, found.link.plateau
        narrate(
            f"link of {rate / 1e9:.4g} GB/s: long messages over {found.link.ranks} GPUs take as long as measured, {plateau / 1e9:.4g} GB/s"
        )
    narrate(f"saved in {file}; use it with: tmplan plan --cluster {found.name} --model MODEL --gpus N")
