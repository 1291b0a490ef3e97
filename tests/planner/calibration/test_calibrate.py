"""Calibration recovers known factors from synthetic steps, and refuses rows that are not of one cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from planner.calibration import step_measurements
from planner.calibration.calibrate import FACTORS, SPREAD, calibrated
from planner.calibration.fit import Runs
from planner.calibration.kernel_tables import FittedCollective, wire_bytes
from planner.cost.collectives import gather_seconds
from planner.dimensions import Bytes, Count
from planner.errors import TmplanError
from planner.specs.job import Job
from tests.planner.calibration.step_files import SHAPES, base, read, rows, stepped


def gathered(steps: list[dict[str, str]], cluster: str | None = None) -> Runs:
    """The runs on their initial cluster."""
    data = read(steps)
    return step_measurements.runs_on(data, *base(data, cluster))


def factors_of(steps: list[dict[str, str]], held: tuple[str, ...] = ()) -> Mapping[str, float]:
    """The calibrated factors of steps."""
    return calibrated(gathered(steps), held).factors


@pytest.mark.parametrize("factors", [{"pace": 1.15}, {"host_pace": 1.4}, {"link_bytes_s": 0.8}, {"nic_bytes_s": 0.7}, {"pace": 0.9}])
def test_the_factor_of_synthetic_steps_is_recovered(factors: Mapping[str, float]) -> None:
    """Steps of a cluster that differs in one factor change it by at least half of the difference, and others less."""
    steps = stepped(rows(*SHAPES), factors)
    ((name, value),) = factors.items()
    got = factors_of(steps)
    assert 0.5 <= math.log(got[name]) / math.log(value) <= 1.2
    assert all(abs(math.log(got[other])) <= abs(math.log(got[name])) for other in FACTORS)


def test_the_error_falls_if_all_factors_differ() -> None:
    """After calibration on steps with four changed factors the error is below 2 %."""
    calibration = calibrated(gathered(stepped(rows(*SHAPES), {"pace": 1.1, "host_pace": 1.3, "link_bytes_s": 0.85, "nic_bytes_s": 0.8})))
    assert calibration.before > 8 and calibration.after < 2 and calibration.runs == len(SHAPES)


def test_steps_as_predicted_change_nothing() -> None:
    """Steps that equal the predictions give factors of exactly 1."""
    assert factors_of(stepped(rows(*SHAPES), {})) == dict.fromkeys(FACTORS, 1.0)


def test_factors_without_effect_stay_1() -> None:
    """Runs within one node do not change the network factor, those on one GPU neither link nor network."""
    assert factors_of(stepped(rows({}, {"tp": "4"}), {"pace": 1.2}))["nic_bytes_s"] == 1.0
    alone = factors_of(stepped(rows({"gpus": "1", "layers": "4"}), {"pace": 1.2}))
    assert alone["nic_bytes_s"] == alone["link_bytes_s"] == 1.0 < alone["pace"]


def test_a_held_factor_stays_1() -> None:
    """A held factor stays 1 while others change."""
    got = factors_of(stepped(rows(*SHAPES), {"link_bytes_s": 0.8}), held=("link_bytes_s",))
    assert got["link_bytes_s"] == 1.0 and got["pace"] != 1.0


def test_an_outlier_has_little_effect() -> None:
    """A run that took three times as long changes the factor of device time by at most 3 %."""
    steps = stepped(rows(*SHAPES), {"pace": 1.1})
    disturbed = [*steps[:-1], {**steps[-1], "step_s": str(3 * float(steps[-1]["step_s"]))}]
    assert factors_of(disturbed)["pace"] == pytest.approx(factors_of(steps)["pace"], rel=0.03)


@pytest.mark.parametrize("times", [1e-5, 0.01, 100.0, 1e9])
def test_factors_are_bounded_for_impossible_steps(times: float) -> None:
    """Impossible step times give factors within four standard deviations of the prior."""
    steps = [{**row, "step_s": repr(max(1e-6, times * float(row["step_s"])))} for row in stepped(rows(*SHAPES), {})]
    assert all(abs(math.log(value)) <= 4 * SPREAD[name] + 1e-9 for name, value in factors_of(steps).items())


def test_nodes_and_network_are_those_of_the_rows() -> None:
    """Without a cluster preset, nodes and network are those of the rows, links those of the GPU, GPUs those of the largest run."""
    shape, gpu = base(read(rows({"gpus_per_node": "4", "interconnect": "RDMA 100 Gb/s per GPU"}, {"gpus": "16", "gpus_per_node": "4"})))
    assert (shape.gpus_per_node, shape.link_domain, shape.nic_bytes_s, shape.link_bytes_s) == (4, 4, 12.5e9, gpu.link_bytes_s)
    assert (shape.gpu, shape.gpus) == ("h100-sxm", 16)
    rack, _ = base(read(rows({"gpu": "gb200", "gpus_per_node": "4"})))
    assert (rack.gpus_per_node, rack.link_domain) == (4, 72)


def test_a_cluster_preset_sets_nodes_and_links() -> None:
    """With a cluster preset the runs are on its nodes and links, even if the rows have another network."""
    data = read(rows({"gpus": "16", "gpus_per_node": "", "interconnect": "RDMA 100 Gb/s per GPU"}))
    shape, gpu = base(data, "gcp-a3-mega")
    cluster = step_measurements.runs_on(data, shape, gpu).batches[0].job.cluster
    assert (cluster.nic_bytes_s, cluster.gpus_per_node, cluster.gpus) == (shape.nic_bytes_s, shape.gpus_per_node, 16)


def test_a_calibrated_preset_can_be_calibrated_again() -> None:
    """The paces of the initial preset apply to the runs before the fit."""
    data = read(rows({}))
    shape, gpu = base(data)
    before, after = (
        step_measurements.runs_on(data, shape, gpu),
        step_measurements.runs_on(data, replace(shape, pace=1.5, host_pace=2.0), gpu),
    )
    assert (after.batches[0].job.cluster.pace, after.batches[0].job.cluster.host_pace) == (1.5, 2.0)
    assert before.batches[0].job.cluster.pace == 1.0


@pytest.mark.parametrize(
    ("changes", "cluster", "message"),
    [
        (({}, {"gpu": "a100-80gb-sxm"}), None, "column 'gpu' is h100-sxm on line 2 and a100-80gb-sxm on line 3; calibrate one"),
        (({}, {"gpus_per_node": "4"}), None, "column 'gpus_per_node' is 8 on line 2 and 4 on line 3"),
        (
            ({"interconnect": "200 Gb/s per GPU"}, {"interconnect": "400 Gb/s per GPU"}),
            None,
            "'interconnect' is 200.0 on line 2 and 400.0",
        ),
        (({}, {"step_s": ""}), None, "line 3: column 'step_s' is blank; remove rows without a measured step time"),
        (({"step_s": "-2"},), None, "line 2: column 'step_s' must be at least 1e-06"),
        (({"step_s": "0"},), None, "line 2: column 'step_s' must be at least 1e-06"),
        (({"step_s": "soon"},), None, "line 2: column 'step_s' must be a number, not 'soon'"),
        (({"gpu": ""},), None, "line 2: column 'gpu' is blank"),
        (({"gpu": "h1000"},), None, "line 2: no gpu is called 'h1000'; did you mean"),
        (({"experts": "8", "ep": "3"},), None, "line 2: ep 3 does not divide the 8 experts"),
        (({"gpus": "12", "dp": "12"},), None, "line 2: 12 GPUs do not fill nodes of 8"),
        (({},), "dgx-a100", "the runs are on h100-sxm, cluster dgx-a100 has a100-80gb-sxm"),
        (({"gpus_per_node": "4"},), "dgx-h100", "nodes have 4 GPUs, those of cluster dgx-h100 8"),
        (({},), "dgx-h10", "no cluster is called 'dgx-h10'; did you mean"),
    ],
)
def test_rows_of_several_clusters_or_invalid_rows_are_refused(
    changes: tuple[dict[str, str], ...], cluster: str | None, message: str
) -> None:
    """The error is one line, with the line of the file if the fault is on one."""
    with pytest.raises(TmplanError) as refused:
        gathered(rows(*changes), cluster)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_values_assumed_for_blanks_are_counted() -> None:
    """Values assumed for blanks are counted, those derived from other columns are not."""
    data = read(rows({"vocab": "", "recompute": "", "dp": "", "gpus_per_node": ""}, {"vocab": ""}))
    counts = step_measurements.assumed(data, step_measurements.runs_on(data, *base(data)))
    assert counts["vocab 50257"] == 2 and sum(count for what, count in counts.items() if what.startswith("recompute")) == 1
    assert not [what for what in counts if what.startswith(("dp", "gpus_per_node"))]


def one_job() -> Job:
    """The job of one row."""
    return gathered(rows({})).batches[0].job


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_the_fitted_link_reproduces_the_measured_plateau(ranks: int) -> None:
    """Long messages on the fitted link have the measured bandwidth in the model."""
    job = one_job()
    fits = [FittedCollective(operation, ranks, 300e9, 1e-5, 9, 0.0) for operation in ("all_gather", "reduce_scatter")]
    link = step_measurements.link(job, [*fits, FittedCollective("all_gather", 64, 20e9, 1e-5, 9, 0.0)], "nccl.csv")
    assert (link.plateau, link.ranks) == (300e9, ranks)
    inside = replace(job, cluster=replace(job.cluster, gpus=ranks, link_bytes_s=link.rate))
    size = np.array([2.0**32, 2.0**33])
    short, long = gather_seconds(inside, Count(ranks), Count(1), Bytes(size))
    assert wire_bytes("all_gather", ranks, size[1] - size[0]) / (long - short) == pytest.approx(300e9, rel=1e-9)


def test_collectives_beyond_the_scale_up_domain_are_refused() -> None:
    """A table without a group within the scale-up domain is refused."""
    with pytest.raises(TmplanError, match=r"^nccl.csv: must have collectives within a scale-up domain, of at most 8 GPUs$"):
        step_measurements.link(one_job(), [FittedCollective("all_gather", 64, 20e9, 1e-5, 9, 0.0)], "nccl.csv")


def test_too_many_runs_are_refused_and_evaluations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many runs are refused; the progress callback receives increasing counts of evaluations."""
    counts: list[int] = []
    steps = stepped(rows({}, {"tp": "2"}), {})
    calibrated(gathered(steps), progress=counts.append)
    assert counts == sorted(set(counts)) and len(counts) > 5
    monkeypatch.setattr(step_measurements, "MOST_RUNS", 1)
    with pytest.raises(TmplanError, match=r"^mine.csv: has 2 runs; calibrate on at most 1; a few dozen suffice$"):
        read(steps)
