"""`tmplan calibrate`: a few measured steps become a preset that plans by them, and one sentence for what they cannot become."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from planner import presets
from planner.calibration import kernel_tables, step_measurements
from planner.calibration.calibrate import FACTORS, predicted
from planner.cost.compute import gemm_seconds
from planner.dimensions import Number
from planner.document.inputs import Inputs, resolve
from planner.document.planfile import Document, dumps, loads
from planner.document.planfile import read as read_plan
from tests.planner.calibration.step_files import SHAPES, read, rows, stepped, write
from tests.tui.driving import SMALL, Driver, drive
from tui.cli import calibrate as cli_calibrate
from tui.cli import main

FEW: tuple[Mapping[str, str], ...] = ({}, {"tp": "4", "sequence_parallel": "1"}, {"tp": "2", "sequence_parallel": "1", "micro_batch": "2"})
DIFFERENT = {"pace": 1.12, "link_bytes_s": 0.85}
DOCUMENT = (Path(__file__).parents[3] / "docs" / "runs.md").read_text()


class Bench:
    """A folder for files and one for presets, calls of the command, and what they say."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""
        self.steps = stepped(rows(*FEW), DIFFERENT)

    @property
    def presets(self) -> list[str]:
        """The files saved."""
        return sorted(str(path.relative_to(self.folder / "config")) for path in (self.folder / "config").rglob("*") if path.is_file())

    def file(self, result: Sequence[Mapping[str, str]] | None = None) -> str:
        """A file of measured steps."""
        return write(self.folder / "mine.csv", self.steps if result is None else result)

    def run(self, *argv: str) -> int:
        """The exit code of `tmplan` with these arguments; what it wrote stands in out and err."""
        code = main.run(list(argv))
        self.out, self.err = self._capsys.readouterr()
        return code

    def refused(self, *argv: str) -> str:
        """The one sentence with which `tmplan calibrate` refuses these arguments, nothing saved."""
        before = self.presets
        assert self.run("calibrate", *argv) == 2
        assert self.out == "" and self.presets == before
        assert self.err.count("\n") == 1 and self.err.startswith("tmplan: ")
        return self.err.removeprefix("tmplan: ").rstrip()


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Presets of nobody but the test's, and a day that does not pass."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(cli_calibrate, "today", lambda: "2026-02-03")
    return Bench(tmp_path, capsys)


def errors_reported(out: str) -> tuple[float, float]:
    """The mean errors before and after that the table ends with."""
    result = re.search(r"mean error of \d+ runs?, % +([\d.]+) +([\d.]+)$", out.splitlines()[-1])
    assert result
    return float(result[1]), float(result[2])


def test_the_table_shows_factors_and_errors_and_stderr_how_to_go_on(bench: Bench) -> None:
    """stdout holds a line a factor and the error, stderr where the preset is and the command that uses it."""
    assert bench.run("calibrate", bench.file(), "--cluster", "dgx-h100") == 0
    lines = bench.out.splitlines()
    assert lines[0].split() == ["before", "after", "factor"] and len(lines) == 6
    assert [line[:20].rstrip() for line in lines[1:5]] == [
        "device time", "host time", "scale-up link, GB/s", "network, Gb/s per GP"
    ]  # fmt: skip
    assert lines[3].split()[3] == "450" and lines[4].split()[4:] == ["400", "400", "unchanged"]
    before, after = errors_reported(bench.out)
    assert before > 5 > 2 > after
    assert bench.err.endswith(
        f"saved in {bench.folder}/config/presets/clusters/calibrated.toml; "
        "use it with: tmplan plan --cluster calibrated --model MODEL --gpus N\n"
    )


def test_the_preset_states_what_it_rests_on(bench: Bench) -> None:
    """The sources name file, runs, errors, version, date and the initial preset; comments on the keys give the factors."""
    path = bench.file()
    assert bench.run("calibrate", path, "--cluster", "dgx-h100", "--name", "ours") == 0
    text = (bench.folder / "config" / "presets" / "clusters" / "ours.toml").read_text()
    assert (
        text.startswith("# a cluster calibrated on measured runs, by `tmplan calibrate`, tmplan ") and "2026-02-03" in text.splitlines()[0]
    )
    assert re.search(r"^link_gb_s = [\d.]+  # scale-up link, GB/s: 450 before$", text, re.MULTILINE)
    assert re.search(r"^pace = 1\.\d+  # device time: 1 before$", text, re.MULTILINE)
    shape = presets.cluster("ours")
    assert re.match(rf"{re.escape(path)}: 3 runs, mean error of a step [\d.]+ % before and [\d.]+ % after; .*2026-02-03$", shape.sources[0])
    assert shape.sources[1] == "begun with cluster preset dgx-h100" and shape.sources[2:] == presets.cluster("dgx-h100").sources
    assert (shape.calibrated_runs, shape.gpu, shape.gpus, shape.name) == (3, "h100-sxm", 256, "ours")


@pytest.mark.parametrize("kernel", [False, True])
def test_the_preset_predicts_the_runs_as_well_as_was_printed(bench: Bench, kernel: bool) -> None:
    """Read back, as any command reads it, the preset meets the measured steps with the very error of the table."""
    more = ["--gemm", products(bench.folder)] if kernel else []
    bench.steps = stepped(rows(*SHAPES), DIFFERENT)
    assert bench.run("calibrate", bench.file(), "--name", "ours", *more) == 0
    data = read(bench.steps)
    runs = step_measurements.runs_on(data, *(step_measurements.base(data, None), presets.gpu(data.gpu)))
    final = step_measurements.moved(runs, presets.cluster("ours"), presets.gpu(presets.cluster("ours").gpu))
    error = 100 * float(np.mean(np.abs(predicted(final, np.zeros(len(FACTORS))) / final.measured - 1)))
    assert error == pytest.approx(errors_reported(bench.out)[1], abs=0.051)


def test_plan_predicts_each_run_within_the_error_printed(bench: Bench) -> None:
    """`tmplan plan --cluster NAME`, pinned to each run's plan, comes as near to its step as the table says."""
    assert bench.run("calibrate", bench.file(), "--name", "ours", "--cluster", "dgx-h100") == 0
    reported, off = errors_reported(bench.out)[1], []
    for row in bench.steps:
        sp = "yes" if row["sequence_parallel"] == "1" else "no"
        pins = ",".join(f"{axis}={row[axis]}" for axis in ("tp", "pp", "vpp", "cp", "zero", "micro_batch", "recompute"))
        job = ("--model", "llama-3.1-8b", "--gpus", row["gpus"], "--global-batch", row["global_batch"], "--attention", row["attention"])
        plan = ("--pin", f"{pins},sequence_parallel={sp}", "--all", "--top", "1", "--format", "json")
        bench.run("plan", "--cluster", "ours", *job, "--sequence", row["seq"], *plan)
        off.append(json.loads(bench.out)["plans"][0]["step_seconds"] / float(row["step_s"]) - 1)
        assert "8 h100-sxm (calibrated on 3 runs), megatron-core" in bench.err
    assert 100 * sum(map(abs, off)) / len(off) <= reported + 0.1


def test_a_plan_file_carries_the_calibration(bench: Bench) -> None:
    """A plan file made on a calibrated cluster plans by it where the preset is not there, and says so."""
    assert bench.run("calibrate", bench.file(), "--name", "ours") == 0
    inputs = Inputs({"cluster": "ours", "model": "llama-3.1-8b", "gpus": 8})
    job, text = resolve(inputs), dumps(Document(inputs))
    assert job.cluster.calibration == "calibrated on 3 runs" and job.cluster.pace != 1.0
    (bench.folder / "config" / "presets" / "clusters" / "ours.toml").unlink()
    assert resolve(loads(text).inputs) == job
    (bench.folder / "plan.toml").write_text(text)
    assert read_plan(bench.folder / "plan.toml").inputs.values == inputs.values


def test_a_plan_file_of_before_reads_as_one_not_calibrated(bench: Bench) -> None:
    """A recorded cluster without paces and runs has those of a cluster nobody calibrated."""
    text = dumps(Document(Inputs({"cluster": "dgx-h100"})))
    old = "".join(line for line in text.splitlines(True) if not re.match(r"(pace|host_pace|calibrated_runs) = ", line))
    assert old != text
    assert resolve(loads(old).inputs) == resolve(Inputs({"cluster": "dgx-h100"}))


def test_another_gpu_in_the_chassis_is_not_calibrated(bench: Bench) -> None:
    """Paces are those of the preset's GPU."""
    assert bench.run("calibrate", bench.file(), "--name", "ours") == 0
    cluster = resolve(Inputs({"cluster": "ours", "gpu": "b200"})).cluster
    assert (cluster.pace, cluster.host_pace, cluster.calibration) == (1.0, 1.0, "")


def test_a_preset_of_that_name_is_stored_unless_forced(bench: Bench) -> None:
    """A second calibration under the same name is refused, one under --force takes its place."""
    path = bench.file()
    assert bench.run("calibrate", path) == 0
    saved = bench.folder / "config" / "presets" / "clusters" / "calibrated.toml"
    before = saved.read_text()
    assert bench.refused(path).startswith("a preset 'calibrated' of the clusters exists; choose another name, or")
    assert bench.run("calibrate", bench.file(stepped(rows(*FEW), {})), "--force") == 0
    assert saved.read_text() != before and presets.cluster("calibrated").pace == 1.0


def test_a_calibrated_preset_can_be_calibrated_on(bench: Bench) -> None:
    """Starting from a calibrated preset, new factors are applied on top of it."""
    path = bench.file()
    assert bench.run("calibrate", path, "--name", "one") == 0
    first = errors_reported(bench.out)
    assert bench.run("calibrate", path, "--name", "two", "--cluster", "one") == 0
    second = errors_reported(bench.out)
    assert second[0] == first[1] >= second[1]
    assert bench.out.splitlines()[1].split()[2] == f"{presets.cluster('one').pace:.4g}"


def products(folder: Path, times: float = 1.0) -> str:
    """A table of products on an H100 that is `times` as slow as its preset says."""
    gpu = presets.gpu("h100-sxm")
    shapes = product((128, 256, 512, 2048, 8192), (512, 4096, 14336), (1024, 4096))
    lines = [f"{m},{n},{k},{times * 1e3 * float(gemm_seconds(gpu, 'bf16', Number(m), Number(n), Number(k)))!r}\n" for m, n, k in shapes]
    (folder / "gemm.csv").write_text("m,n,k,latency\n" + "".join(lines))
    return str(folder / "gemm.csv")


def collectives(folder: Path, bandwidth: float = 300e9) -> str:
    """A table of all-gathers and reduce-scatters over 8 GPUs."""
    sizes = product(("all_gather", "reduce_scatter"), (2**22, 2**24, 2**26, 2**28))
    lines = [f"{operation},8,{elements},{1e3 * (2e-5 + 2 * elements * 7 / 8 / bandwidth)!r}\n" for operation, elements in sizes]
    (folder / "nccl.csv").write_text("op_name,num_gpus,message_size,latency\n" + "".join(lines))
    return str(folder / "nccl.csv")


def test_measured_products_become_a_gpu_of_ones_custom(bench: Bench) -> None:
    """With --gemm a GPU preset is saved and the cluster is of it; rates follow the table, the rest is the shipped GPU's."""
    table = products(bench.folder, 1.25)
    assert bench.run("calibrate", bench.file(), "--name", "ours", "--gemm", table) == 0
    assert bench.presets == ["presets/clusters/ours.toml", "presets/gpus/ours.toml"]
    gpu, shipped, cluster = presets.gpu("ours"), presets.gpu("h100-sxm"), resolve(Inputs({"cluster": "ours"})).cluster
    assert gpu.gemm.flops_s == pytest.approx(shipped.gemm.flops_s * shipped.gemm.training / 1.25, rel=0.05)
    assert (gpu.gemm.training, gpu.memory_bytes, gpu.name) == (shipped.gemm.training, shipped.memory_bytes, "h100-sxm")
    assert f"{table}, 30 products" in gpu.gemm.source and "2026-02-03" in gpu.gemm.source
    assert cluster.gpu == gpu and cluster.calibrated_runs == 3
    assert bench.out.splitlines()[5].startswith("matrix products up to, TFLOP/s") and bench.out.splitlines()[5].endswith("measured")
    assert bench.run("gpus") == 0 and "ours" in bench.out


def test_measured_collectives_become_the_link(bench: Bench) -> None:
    """With --nccl the link's rate is the one at which the model reaches the measured plateau; this is reported, and the runs leave it."""
    table = collectives(bench.folder)
    assert bench.run("calibrate", bench.file(), "--name", "ours", "--nccl", table) == 0
    assert bench.out.splitlines()[3].endswith("measured")
    assert "long messages over 8 GPUs take the time measured, 300 GB/s\n" in bench.err
    data = read(bench.steps)
    job = step_measurements.runs_on(data, step_measurements.base(data, None), presets.gpu("h100-sxm")).batches[0].job
    link = step_measurements.link(job, kernel_tables.fit_collectives(kernel_tables.read_nccl(table)), table)
    assert presets.cluster("ours").link_bytes_s == pytest.approx(link.rate, rel=1e-5)
    assert f"link: {table}, 300 GB/s over 8 GPUs" in presets.cluster("ours").sources


def test_blanks_and_a_run_far_off_are_reported(bench: Bench) -> None:
    """stderr says what blanks were taken for, and which run stays far from its prediction."""
    steps = [{**row, "vocab": ""} for row in bench.steps]
    steps[1]["step_s"] = str(9 * float(steps[1]["step_s"]))
    assert bench.run("calibrate", bench.file(steps)) == 0
    assert "assumed for blanks: vocab 50257 (3)\n" in bench.err
    assert re.search(r"^the run on line 3 remains -\d\d % off; check its values against the run$", bench.err, re.MULTILINE)


def test_one_run_is_enough(bench: Bench) -> None:
    """A single measured step is calibrated on, and counted in the singular."""
    assert bench.run("calibrate", bench.file(bench.steps[:1])) == 0
    assert "mean error of 1 run, %" in bench.out
    assert resolve(Inputs({"cluster": "calibrated"})).cluster.calibration == "calibrated on 1 run"


def test_the_runs_in_the_document_can_be_calibrated_on(bench: Bench) -> None:
    """The example of docs/runs.md is a file that estimate and calibrate take without a word on its columns."""
    path = bench.folder / "mine.csv"
    path.write_text(DOCUMENT.split("```csv\n")[1].split("```")[0])
    assert bench.run("estimate", str(path)) == 0 and bench.err == "2 of 2 rows predicted\n"
    assert bench.run("calibrate", str(path), "--cluster", "dgx-h100") == 0 and "not read" not in bench.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step_s": ""}, "mine.csv: line 4: column 'step_s' is blank; remove rows without a measured step time"),
        ({"step_s": "-1.5"}, "mine.csv: line 4: column 'step_s' must be at least 1e-06 and below 1e15, not -1.5"),
        ({"gpu": "h1000"}, "mine.csv: line 4: no gpu is called 'h1000'; did you mean h100-sxm"),
        ({"gpu": "b200"}, "mine.csv: column 'gpu' is h100-sxm on line 2 and b200 on line 4; calibrate one cluster at a time"),
        ({"experts": "8", "ep": "3"}, "mine.csv: line 4: ep 3 does not divide the 8 experts"),
        ({"hidden": ""}, "mine.csv: line 4: column 'hidden' is blank"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_refused(bench: Bench, change: Mapping[str, str], message: str) -> None:
    """The line and what is wrong with it, and nothing is saved."""
    assert message in bench.refused(bench.file([*bench.steps[:2], {**bench.steps[2], **change}]))


def test_files_that_are_none_are_refused(bench: Bench) -> None:
    """A missing file, a folder, an empty file, one without steps: each in a sentence."""
    assert bench.refused(f"{bench.folder}/none.csv").endswith("none.csv: cannot be read: no such file or directory")
    assert bench.refused(str(bench.folder)).endswith("cannot be read: it is a folder, not a file")
    path = bench.folder / "mine.csv"
    path.write_text("")
    assert bench.refused(str(path)).endswith("mine.csv: is empty")
    untold = [{key: value for key, value in row.items() if key != "step_s"} for row in bench.steps]
    assert "line 1 lacks 'step_s'; required: layers, " in bench.refused(bench.file(untold))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--name", "../x"], "name must be letters, digits"), (["--name", "dgx-h100"], "a preset 'dgx-h100' of the clusters exists"),
        (["--cluster", "dgx-a100"], "the runs are on h100-sxm, cluster dgx-a100 has a100-80gb-sxm"),
        (["--cluster", "nowhere"], "no cluster is called 'nowhere'"), (["--gemm", "none.csv"], "none.csv: cannot be read: no such file"),
        (["--nccl", "none.csv"], "none.csv: cannot be read: no such file"),
        (["--name", "h100-sxm", "--gemm", "x"], "of the gpus exists"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(bench: Bench, argv: list[str], message: str) -> None:
    """A bad name, one that is taken, another GPU's cluster, missing tables."""
    assert message in bench.refused(bench.file(), *argv)


def test_tables_of_something_else_are_refused(bench: Bench) -> None:
    """Products faster than the GPU can be, and tables without their columns, are not believed."""
    table = products(bench.folder, 0.4)
    assert re.search(
        r"gemm.csv: its products near [\d,]+ TFLOP/s, h100-sxm has a peak of 989; is it", bench.refused(bench.file(), "--gemm", table)
    )
    assert "line 1 must name each of the columns m, n, k, latency once" in bench.refused(bench.file(), "--gemm", collectives(bench.folder))
    assert "line 1 must name each of the columns op_name" in bench.refused(bench.file(), "--nccl", products(bench.folder))


def test_a_config_folder_that_cannot_be_written_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where presets cannot be saved one sentence says so, and no GPU is left without its cluster."""
    path = bench.file()
    monkeypatch.setenv("TMPLAN_CONFIG", path)
    assert bench.run("calibrate", path) == 2
    assert bench.out == "" and bench.err.splitlines()[-1].startswith(
        f"tmplan: {path}/presets/clusters/calibrated.toml: cannot be written: "
    )
    config = bench.folder / "config"
    monkeypatch.setenv("TMPLAN_CONFIG", str(config))
    (config / "presets").mkdir(parents=True)
    (config / "presets" / "clusters").write_text("in the way")
    assert bench.run("calibrate", path, "--gemm", products(bench.folder)) == 2
    assert bench.presets == ["presets/clusters"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_screen_states_that_the_cluster_is_calibrated(bench: Bench, size: tuple[int, int]) -> None:
    """At every size the screen says so, without pushing anything out; of a cluster that is not it says nothing."""
    assert bench.run("calibrate", bench.file(), "--name", "ours") == 0
    inputs = SMALL.inputs.with_all({"cluster": "ours", "gpus": 16})
    screens: list[str] = []

    async def play(it: Driver) -> None:
        screens.append(it.text())

    for document in (SMALL, Document(inputs)):
        drive(play, document, size=size)
    plain, reported = screens
    assert "calibrated" not in plain and reported.count("calibrated on 3 runs") == 1
    row = 1 if size[0] == 80 else next(i for i, line in enumerate(reported.splitlines()) if "5 detail" in line)
    assert all(
        word in reported.splitlines()[row] for word in re.findall(r"\d (?:cluster|model|batch|plans|detail)", plain.splitlines()[row])
    )


def test_the_narrowest_screen_keeps_its_tabs(bench: Bench) -> None:
    """At 60 columns the tabs are all there, and the note on the cluster is not."""
    assert bench.run("calibrate", bench.file(), "--name", "ours") == 0

    async def play(it: Driver) -> None:
        assert it.text().splitlines()[1] == "1 cluster 2 model 3 batch 4 plans 5 detail 6 run 7 options"

    drive(play, Document(SMALL.inputs.with_all({"cluster": "ours", "gpus": 16})), size=(60, 16))


def test_any_of_it_twice_is_the_same(bench: Bench) -> None:
    """The same steps give the same file."""
    path, saved = bench.file(), []
    for _ in range(2):
        assert bench.run("calibrate", path, "--force") == 0
        saved.append((bench.folder / "config" / "presets" / "clusters" / "calibrated.toml").read_text())
    assert saved[0] == saved[1]
