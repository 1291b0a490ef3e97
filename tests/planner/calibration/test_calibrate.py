"""Calibration: known factors are found in made-up steps, and what cannot be one cluster's is refused in a sentence."""

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
    """The runs on the cluster they begin with."""
    data = read(steps)
    return step_measurements.runs_on(data, *base(data, cluster))


def found(steps: list[dict[str, str]], held: tuple[str, ...] = ()) -> Mapping[str, float]:
    """The factors found in these steps."""
    return calibrated(gathered(steps), held).factors


@pytest.mark.parametrize("factors", [{"pace": 1.15}, {"host_pace": 1.4}, {"link_bytes_s": 0.8}, {"nic_bytes_s": 0.7}, {"pace": 0.9}])
def test_a_factor_that_made_the_steps_is_found(factors: Mapping[str, float]) -> None:
    """Steps of a cluster that differs in one thing move that factor most of its way, and others less than it."""
    steps = stepped(rows(*SHAPES), factors)
    ((name, value),) = factors.items()
    got = found(steps)
    assert 0.5 <= math.log(got[name]) / math.log(value) <= 1.2
    assert all(abs(math.log(got[other])) <= abs(math.log(got[name])) for other in FACTORS)


def test_the_error_falls_where_the_cluster_differs_in_everything() -> None:
    """Steps made by four factors at once are met within 2 % afterwards."""
    calibration = calibrated(gathered(stepped(rows(*SHAPES), {"pace": 1.1, "host_pace": 1.3, "link_bytes_s": 0.85, "nic_bytes_s": 0.8})))
    assert calibration.before > 8 and calibration.after < 2 and calibration.runs == len(SHAPES)


def test_steps_as_predicted_change_nothing() -> None:
    """A cluster that runs as its preset says has factors of exactly 1."""
    assert found(stepped(rows(*SHAPES), {})) == dict.fromkeys(FACTORS, 1.0)


def test_what_runs_do_not_depend_on_stays() -> None:
    """Runs within one node say nothing of the network, those on one GPU nothing of any link."""
    assert found(stepped(rows({}, {"tp": "4"}), {"pace": 1.2}))["nic_bytes_s"] == 1.0
    alone = found(stepped(rows({"gpus": "1", "layers": "4"}), {"pace": 1.2}))
    assert alone["nic_bytes_s"] == alone["link_bytes_s"] == 1.0 < alone["pace"]


def test_a_factor_held_stays_and_the_others_move() -> None:
    """What was measured otherwise is not moved by the runs."""
    got = found(stepped(rows(*SHAPES), {"link_bytes_s": 0.8}), held=("link_bytes_s",))
    assert got["link_bytes_s"] == 1.0 and got["pace"] != 1.0


def test_one_disturbed_run_among_several_moves_little() -> None:
    """A run that took three times as long leaves the device's factor within 3 % of where it was without it."""
    steps = stepped(rows(*SHAPES), {"pace": 1.1})
    disturbed = [*steps[:-1], {**steps[-1], "step_s": str(3 * float(steps[-1]["step_s"]))}]
    assert found(disturbed)["pace"] == pytest.approx(found(steps)["pace"], rel=0.03)


@pytest.mark.parametrize("times", [1e-5, 0.01, 100.0, 1e9])
def test_no_step_moves_a_factor_beyond_its_reach(times: float) -> None:
    """Steps that no cluster can have still give finite factors within four spreads."""
    steps = [{**row, "step_s": repr(max(1e-6, times * float(row["step_s"])))} for row in stepped(rows(*SHAPES), {})]
    assert all(abs(math.log(value)) <= 4 * SPREAD[name] + 1e-9 for name, value in found(steps).items())


def test_nodes_and_network_are_those_the_rows_tell() -> None:
    """Without a preset to begin with, nodes and NICs come from the rows, links from the GPU, the world size from the largest run."""
    shape, gpu = base(read(rows({"gpus_per_node": "4", "interconnect": "RDMA 100 Gb/s per GPU"}, {"gpus": "16", "gpus_per_node": "4"})))
    assert (shape.gpus_per_node, shape.link_domain, shape.nic_bytes_s, shape.link_bytes_s) == (4, 4, 12.5e9, gpu.link_bytes_s)
    assert (shape.gpu, shape.gpus) == ("h100-sxm", 16)
    rack, _ = base(read(rows({"gpu": "gb200", "gpus_per_node": "4"})))
    assert (rack.gpus_per_node, rack.link_domain) == (4, 72)


def test_a_preset_to_begin_with_gives_nodes_and_links() -> None:
    """With a cluster preset the rows run on its nodes and links, whatever they say of the network."""
    data = read(rows({"gpus": "16", "gpus_per_node": "", "interconnect": "RDMA 100 Gb/s per GPU"}))
    shape, gpu = base(data, "gcp-a3-mega")
    cluster = step_measurements.runs_on(data, shape, gpu).batches[0].job.cluster
    assert (cluster.nic_bytes_s, cluster.gpus_per_node, cluster.gpus) == (shape.nic_bytes_s, shape.gpus_per_node, 16)


def test_a_calibrated_preset_is_calibrated_on_from_where_it_stands() -> None:
    """The paces of the preset to begin with are those of the runs before."""
    data = read(rows({}))
    shape, gpu = base(data)
    before, after = (
        step_measurements.runs_on(data, shape, gpu),
        step_measurements.runs_on(data, replace(shape, pace=1.5, host_pace=2.0), gpu),
    )
    assert (after.batches[0].job.cluster.pace, after.batches[0].job.cluster.host_pace) == (1.5, 2.0)
    assert before.batches[0].job.cluster.pace == 1.0


@pytest.mark.parametrize(
    ("changes", "cluster", "says"),
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
def test_rows_that_are_no_one_clusters_are_refused(changes: tuple[dict[str, str], ...], cluster: str | None, says: str) -> None:
    """What is wrong is told in one line, with the line of the file where there is one."""
    with pytest.raises(TmplanError) as refused:
        gathered(rows(*changes), cluster)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_blanks_are_told_with_what_they_were_taken_for() -> None:
    """What stood for a blank is counted, what follows from other columns is not."""
    data = read(rows({"vocab": "", "recompute": "", "dp": "", "gpus_per_node": ""}, {"vocab": ""}))
    told = step_measurements.assumed(data, step_measurements.runs_on(data, *base(data)))
    assert told["vocab 50257"] == 2 and sum(count for what, count in told.items() if what.startswith("recompute")) == 1
    assert not [what for what in told if what.startswith(("dp", "gpus_per_node"))]


def one_job() -> Job:
    """The job of one row."""
    return gathered(rows({})).batches[0].job


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_the_link_that_a_plateau_gives_reproduces_it(ranks: int) -> None:
    """On the link found, the model's long messages move at the bandwidth measured."""
    job = one_job()
    fits = [FittedCollective(operation, ranks, 300e9, 1e-5, 9, 0.0) for operation in ("all_gather", "reduce_scatter")]
    link = step_measurements.link(job, [*fits, FittedCollective("all_gather", 64, 20e9, 1e-5, 9, 0.0)], "nccl.csv")
    assert (link.plateau, link.ranks) == (300e9, ranks)
    inside = replace(job, cluster=replace(job.cluster, gpus=ranks, link_bytes_s=link.rate))
    size = np.array([2.0**32, 2.0**33])
    short, long = gather_seconds(inside, Count(ranks), Count(1), Bytes(size))
    assert wire_bytes("all_gather", ranks, size[1] - size[0]) / (long - short) == pytest.approx(300e9, rel=1e-9)


def test_collectives_over_more_than_a_node_alone_are_refused() -> None:
    """A table without a group that fits the scale-up domain tells nothing of the link."""
    with pytest.raises(TmplanError, match=r"^nccl.csv: must have collectives within a scale-up domain, of at most 8 GPUs$"):
        step_measurements.link(one_job(), [FittedCollective("all_gather", 64, 20e9, 1e-5, 9, 0.0)], "nccl.csv")


def test_runs_without_bound_are_refused_and_each_evaluation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs than are calibrated on are one sentence; the progress callback hears of more and more evaluations."""
    heard: list[int] = []
    steps = stepped(rows({}, {"tp": "2"}), {})
    calibrated(gathered(steps), progress=heard.append)
    assert heard == sorted(set(heard)) and len(heard) > 5
    monkeypatch.setattr(step_measurements, "MOST_RUNS", 1)
    with pytest.raises(TmplanError, match=r"^mine.csv: has 2 runs; calibrate on at most 1; a few dozen suffice$"):
        read(steps)
