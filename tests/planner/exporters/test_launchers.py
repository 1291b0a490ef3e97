"""The launchers: scripts that Slurm and SkyPilot take, whatever the presets are called."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.exporters import registry
from planner.exporters.registry import CannotExport, Exported, Request, Target, export
from planner.specs.plan import Plan
from tests.planner.exporters.requests import request
from tests.planner.jobs import example

LLAMA = Plan(tp=8, pp=16, vpp=8, cp=2, dp=64, dp_shard=64, zero=1, sequence_parallel=1)
SMALL: dict[str, Any] = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64}
EVIL = "$(rm -rf ~)`touch harm`'\"\n#SBATCH --wrap=rm\n; touch harm"


def without_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no plan be written for Megatron-LM."""
    known = {name: registry.target(name) for name in ("slurm", "skypilot")}
    monkeypatch.setattr(registry, "targets", lambda: known)


def with_trainer(monkeypatch: pytest.MonkeyPatch, *refusals: str) -> None:
    """Let every plan be written for Megatron-LM, unless there are refusals."""
    wanted = Target(
        "megatron-lm", "Megatron-LM", "train.sh", "", lambda r: list(refusals), lambda r: Exported({"train.sh": "true\n"}, ("a note",))
    )
    known = dict(registry.targets()) | {"megatron-lm": wanted}
    monkeypatch.setattr(registry, "targets", lambda: known)


def accepted(script: str) -> bool:
    """Whether bash can parse it."""
    return subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).returncode == 0


def evil(target: str) -> tuple[str, Request]:
    """The main file for a job whose model and GPU have evil names."""
    asked = request(**SMALL)
    gpu = replace(asked.job.cluster.gpu, name=EVIL)
    job = replace(asked.job, model=replace(asked.job.model, name=EVIL), cluster=replace(asked.job.cluster, gpu=gpu))
    asked = Request(job, asked.plan, (EVIL,))
    return next(iter(export(target, asked).files.values())), asked


def test_the_batch_script_reads_as_its_golden_text(golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama 405B on 2,048 nodes gives the script that a person last looked at, with Megatron-LM and without."""
    with monkeypatch.context() as patch:
        without_trainer(patch)
        golden("export/slurm-405b.sbatch", export("slurm", request(LLAMA)).files["train.sbatch"])
    with_trainer(monkeypatch)
    golden("export/slurm-405b-megatron.sbatch", export("slurm", request(LLAMA)).files["train.sbatch"])


@pytest.mark.parametrize("trainer", [False, True])
def test_bash_accepts_the_batch_script(trainer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script parses, with a script of Megatron-LM beside it and without."""
    (with_trainer if trainer else without_trainer)(monkeypatch)
    assert accepted(export("slurm", request(**SMALL)).files["train.sbatch"])


def test_directives_come_before_the_first_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """No #SBATCH line stands behind a command, where Slurm would not read it, and the counts are those of the plan's cluster."""
    without_trainer(monkeypatch)
    lines = export("slurm", request(**SMALL)).files["train.sbatch"].splitlines()
    assert lines[0] == "#!/bin/bash"
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in lines[first:])
    assert {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=1", "#SBATCH --gpus-per-node=8"} <= set(lines[:first])


def played(folder: Path, script: str) -> list[list[str]]:
    """The words of torchrun on each node, where two nodes are played by what stands in for srun and scontrol."""
    for name, text in {
        "scontrol": "printf 'node-a\\nnode-b\\n'",
        "srun": 'for i in 0 1; do SLURM_NODEID=$i "$@"; done',
        "torchrun": "printf '%s|' \"$@\"; echo",
    }.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "node-[a-b]", "SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(folder)}
    done = subprocess.run(["bash"], input=script, text=True, capture_output=True, env=env, check=True)
    return [line.rstrip("|").split("|") for line in done.stdout.splitlines()]


def test_every_node_gets_its_own_rank_and_the_same_meeting_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two nodes torchrun is called with the rank of each, the first host, and the command word by word as it was set."""
    without_trainer(monkeypatch)
    script = export("slurm", request(**SMALL)).files["train.sbatch"].replace("(train.py)", "(train.py 'two words' '$HOME')")
    first, second = played(tmp_path, script)
    assert ["--node-rank=1" if word == "--node-rank=0" else word for word in first] == second
    assert {"--nnodes=2", "--nproc-per-node=8", "--node-rank=0", "--rdzv-endpoint=node-a:29500"} <= set(first)
    assert first[-3:] == ["train.py", "two words", "$HOME"]


def test_megatron_is_started_on_every_node(tmp_path: Path) -> None:
    """With Megatron-LM's own script beside it, torchrun is called once a node, with the rank of each and the first host."""
    if "megatron-lm" not in registry.targets():
        pytest.skip("there is no target megatron-lm")
    files = export("slurm", request(Plan(tp=2, dp=8, dp_shard=8, zero=1, sequence_parallel=1), **SMALL)).files
    assert list(files) == ["train.sbatch", "train.sh"]
    (tmp_path / "train.sh").write_text(files["train.sh"])
    for rank, words in enumerate(played(tmp_path, files["train.sbatch"])):
        said = {words[i].removeprefix("--").replace("_", "-"): words[i + 1] for i in range(0, 10, 2)}
        assert said == {"nnodes": "2", "nproc-per-node": "8", "node-rank": str(rank), "master-addr": "node-a", "master-port": "29500"}
        assert words[10].endswith("pretrain_gpt.py")


def test_the_script_of_megatron_is_the_second_file_and_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Megatron-LM takes the plan, its script lies beside the job's, which runs it; its notes are told."""
    with_trainer(monkeypatch)
    found = export("slurm", request(**SMALL))
    assert list(found.files) == ["train.sbatch", "train.sh"]
    assert '/train.sh")' in found.files["train.sbatch"]
    assert found.notes == ("a note",)


def test_without_megatron_a_placeholder_is_marked_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Megatron-LM cannot take the plan, one file is written whose command a person must set, and a note says so and why."""
    with_trainer(monkeypatch, "it has no such schedule")
    found = export("slurm", request(**SMALL))
    assert list(found.files) == ["train.sbatch"]
    assert "COMMAND=(train.py)" in found.files["train.sbatch"]
    assert "COMMAND" in found.notes[0] and "it has no such schedule" in found.notes[1]


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_gpus_that_do_not_fill_whole_nodes_are_refused(target: str) -> None:
    """Twelve GPUs on nodes of eight are refused with a sentence that says what would be right."""
    job = example(**SMALL)
    job = replace(job, cluster=replace(job.cluster, gpus=12))
    with pytest.raises(CannotExport, match="12 GPUs do not fill whole nodes of 8; take a multiple of 8"):
        export(target, Request(job, Plan(dp=12, dp_shard=12)))


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_what_is_no_gpu_is_refused(target: str) -> None:
    """A TPU, which torchrun starts nothing on, is refused with a sentence."""
    with pytest.raises(CannotExport, match="tpu-v5p is no GPU"):
        export(target, Request(example(**SMALL, gpu="tpu-v5p", stack="maxtext"), Plan(dp=16, dp_shard=16)))


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_part_of_one_node_is_taken(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four GPUs of a node of eight are one node with four."""
    without_trainer(monkeypatch)
    text = next(iter(export(target, request(**(SMALL | {"gpus": 4}))).files.values()))
    assert re.search(r"--nodes=1$|num_nodes: 1$", text, re.MULTILINE)
    assert re.search(r"--gpus-per-node=4$|H100:4$", text, re.MULTILINE)


def test_the_task_reads_as_its_golden_text(golden: Callable[[str, str], None]) -> None:
    """Llama 405B on 2,048 nodes gives the task that a person last looked at."""
    golden("export/skypilot-405b.yaml", export("skypilot", request(LLAMA)).files["task.yaml"])


def test_the_task_is_yaml_with_what_skypilot_reads() -> None:
    """The task loads to plain values, names nodes and accelerators, and its script is bash that reads SkyPilot's variables."""
    task = yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])
    assert set(task) == {"name", "num_nodes", "resources", "run"}
    assert (task["num_nodes"], task["resources"]) == (2, {"accelerators": "H100:8"})
    assert accepted(task["run"])
    for variable in ("NODE_IPS", "NUM_NODES", "NODE_RANK", "NUM_GPUS_PER_NODE"):
        assert f"SKYPILOT_{variable}" in task["run"]


def test_the_first_address_is_the_meeting_point(tmp_path: Path) -> None:
    """With two addresses, one a line, the task's script meets on the first."""
    script = yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])["run"]
    (tmp_path / "torchrun").write_text("#!/bin/bash\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / "torchrun").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2"}
    env |= {"SKYPILOT_NUM_GPUS_PER_NODE": "8", "SKYPILOT_NODE_RANK": "1"}
    done = subprocess.run(["bash"], input=script, text=True, capture_output=True, env=env, check=True)
    words = done.stdout.splitlines()
    assert {"--nnodes=2", "--nproc-per-node=8", "--node-rank=1", "--rdzv-endpoint=10.0.0.1:29500"} <= set(words)


@pytest.mark.parametrize(("gpu", "name", "guessed"), [("h200-sxm", "H200", False), ("mi300x", "MI300X", True)])
def test_a_gpu_that_skypilot_does_not_list_is_told_to_be_a_guess(gpu: str, name: str, guessed: bool) -> None:
    """The accelerator comes from the preset's name; a note says so where SkyPilot's list was not the source."""
    found = export("skypilot", request(**(SMALL | {"gpu": gpu})))
    assert f"accelerators: {name}:8\n" in found.files["task.yaml"]
    assert any("guess" in note for note in found.notes) == guessed


def test_evil_names_harm_nothing_in_a_batch_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model called $(rm -rf ~) and worse ends in comments and a plain job name: nothing of it is run, no directive is added."""
    without_trainer(monkeypatch)
    script, asked = evil("slurm")
    assert accepted(script)
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert len(directives) == 4 and all(re.fullmatch(r"#SBATCH --[a-z-]+=[\w.-]+", line) for line in directives)
    bare = script.split("set -euo pipefail")[0]
    done = subprocess.run(["bash"], input=bare, text=True, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)}, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])
    kept = export("slurm", Request(example(**SMALL), asked.plan)).files["train.sbatch"].split("set -euo pipefail")[1]
    assert script.split("set -euo pipefail")[1] == kept


def test_evil_names_harm_nothing_in_a_task() -> None:
    """The same names leave the task with its four keys, plain names, and the script it always has."""
    text, _ = evil("skypilot")
    task = yaml.safe_load(text)
    assert set(task) == {"name", "num_nodes", "resources", "run"}
    assert re.fullmatch(r"[a-z][a-z0-9.-]*", task["name"]) and re.fullmatch(r"[A-Z0-9.]+:8", task["resources"]["accelerators"])
    assert task["run"] == yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])["run"]
