"""The launchers: scripts valid for Slurm and SkyPilot, whatever the names of the presets."""

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
    """Remove the target megatron-lm."""
    known = {name: registry.target(name) for name in ("slurm", "skypilot")}
    monkeypatch.setattr(registry, "targets", lambda: known)


def with_trainer(monkeypatch: pytest.MonkeyPatch, *refusals: str) -> None:
    """Replace megatron-lm by a target that exports every plan, or refuses with the given sentences."""
    stub = Target(
        "megatron-lm", "Megatron-LM", "train.sh", "", lambda r: list(refusals), lambda r: Exported({"train.sh": "true\n"}, ("a note",))
    )
    known = dict(registry.targets()) | {"megatron-lm": stub}
    monkeypatch.setattr(registry, "targets", lambda: known)


def accepted(script: str) -> bool:
    """Whether bash can parse a script."""
    return subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).returncode == 0


def with_hostile_names(target: str) -> tuple[str, Request]:
    """The main file for a job whose model and GPU have hostile names."""
    hostile = request(**SMALL)
    gpu = replace(hostile.job.cluster.gpu, name=EVIL)
    job = replace(hostile.job, model=replace(hostile.job.model, name=EVIL), cluster=replace(hostile.job.cluster, gpu=gpu))
    hostile = Request(job, hostile.plan, (EVIL,))
    return next(iter(export(target, hostile).files.values())), hostile


def test_the_batch_script_reads_as_its_golden_text(golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama 405B on 2,048 nodes gives the golden script, with Megatron-LM and without."""
    with monkeypatch.context() as patch:
        without_trainer(patch)
        golden("export/slurm-405b.sbatch", export("slurm", request(LLAMA)).files["train.sbatch"])
    with_trainer(monkeypatch)
    golden("export/slurm-405b-megatron.sbatch", export("slurm", request(LLAMA)).files["train.sbatch"])


@pytest.mark.parametrize("trainer", [False, True])
def test_bash_accepts_the_batch_script(trainer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script parses, with a Megatron-LM script next to it and without."""
    (with_trainer if trainer else without_trainer)(monkeypatch)
    assert accepted(export("slurm", request(**SMALL)).files["train.sbatch"])


def test_directives_come_before_the_first_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """No #SBATCH line follows a command, where Slurm would ignore it, and the counts are those of the cluster."""
    without_trainer(monkeypatch)
    lines = export("slurm", request(**SMALL)).files["train.sbatch"].splitlines()
    assert lines[0] == "#!/bin/bash"
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in lines[first:])
    assert {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=1", "#SBATCH --gpus-per-node=8"} <= set(lines[:first])


def simulated(folder: Path, script: str) -> list[list[str]]:
    """The arguments of torchrun on each of two nodes, with stand-ins for srun and scontrol."""
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


def test_every_node_has_its_rank_and_the_same_rendezvous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two nodes torchrun has the node's rank, the first host, and the command word by word."""
    without_trainer(monkeypatch)
    script = export("slurm", request(**SMALL)).files["train.sbatch"].replace("(train.py)", "(train.py 'two words' '$HOME')")
    first, second = simulated(tmp_path, script)
    assert ["--node-rank=1" if word == "--node-rank=0" else word for word in first] == second
    assert {"--nnodes=2", "--nproc-per-node=8", "--node-rank=0", "--rdzv-endpoint=node-a:29500"} <= set(first)
    assert first[-3:] == ["train.py", "two words", "$HOME"]


def test_megatron_is_started_on_every_node(tmp_path: Path) -> None:
    """With Megatron-LM's script torchrun is called once per node, with its rank and the first host."""
    if "megatron-lm" not in registry.targets():
        pytest.skip("there is no target megatron-lm")
    files = export("slurm", request(Plan(tp=2, dp=8, dp_shard=8, zero=1, sequence_parallel=1), **SMALL)).files
    assert list(files) == ["train.sbatch", "train.sh"]
    (tmp_path / "train.sh").write_text(files["train.sh"])
    for rank, words in enumerate(simulated(tmp_path, files["train.sbatch"])):
        arguments = {words[i].removeprefix("--").replace("_", "-"): words[i + 1] for i in range(0, 10, 2)}
        assert arguments == {"nnodes": "2", "nproc-per-node": "8", "node-rank": str(rank), "master-addr": "node-a", "master-port": "29500"}
        assert words[10].endswith("pretrain_gpt.py")


def test_the_script_of_megatron_is_the_second_file_and_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Megatron-LM accepts the plan its script is written too and run by the job's; its notes are returned."""
    with_trainer(monkeypatch)
    exported = export("slurm", request(**SMALL))
    assert list(exported.files) == ["train.sbatch", "train.sh"]
    assert '/train.sh")' in exported.files["train.sbatch"]
    assert exported.notes == ("a note",)


def test_without_megatron_a_marked_placeholder_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Megatron-LM refuses the plan, the only file has a command to set, and notes give both reasons."""
    with_trainer(monkeypatch, "it has no such schedule")
    exported = export("slurm", request(**SMALL))
    assert list(exported.files) == ["train.sbatch"]
    assert "COMMAND=(train.py)" in exported.files["train.sbatch"]
    assert "COMMAND" in exported.notes[0] and "it has no such schedule" in exported.notes[1]


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_gpus_that_do_not_fill_whole_nodes_are_refused(target: str) -> None:
    """Twelve GPUs on nodes of eight are refused with what would be right."""
    job = example(**SMALL)
    job = replace(job, cluster=replace(job.cluster, gpus=12))
    with pytest.raises(CannotExport, match="12 GPUs do not fill whole nodes of 8; use a multiple of 8"):
        export(target, Request(job, Plan(dp=12, dp_shard=12)))


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_a_tpu_is_refused(target: str) -> None:
    """torchrun does not support TPUs."""
    with pytest.raises(CannotExport, match="tpu-v5p is not a GPU"):
        export(target, Request(example(**SMALL, gpu="tpu-v5p", stack="maxtext"), Plan(dp=16, dp_shard=16)))


@pytest.mark.parametrize("target", ["slurm", "skypilot"])
def test_part_of_a_node_is_one_node(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four GPUs of a node of eight are one node with four."""
    without_trainer(monkeypatch)
    text = next(iter(export(target, request(**(SMALL | {"gpus": 4}))).files.values()))
    assert re.search(r"--nodes=1$|num_nodes: 1$", text, re.MULTILINE)
    assert re.search(r"--gpus-per-node=4$|H100:4$", text, re.MULTILINE)


def test_the_task_reads_as_its_golden_text(golden: Callable[[str, str], None]) -> None:
    """Llama 405B on 2,048 nodes gives the golden task."""
    golden("export/skypilot-405b.yaml", export("skypilot", request(LLAMA)).files["task.yaml"])


def test_the_task_is_yaml_with_what_skypilot_reads() -> None:
    """The task has plain values with nodes and accelerators, and its script is bash that reads SkyPilot's variables."""
    task = yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])
    assert set(task) == {"name", "num_nodes", "resources", "run"}
    assert (task["num_nodes"], task["resources"]) == (2, {"accelerators": "H100:8"})
    assert accepted(task["run"])
    for variable in ("NODE_IPS", "NUM_NODES", "NODE_RANK", "NUM_GPUS_PER_NODE"):
        assert f"SKYPILOT_{variable}" in task["run"]


def test_the_first_address_is_the_meeting_point(tmp_path: Path) -> None:
    """With two addresses, one per line, the rendezvous is the first."""
    script = yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])["run"]
    (tmp_path / "torchrun").write_text("#!/bin/bash\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / "torchrun").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2"}
    env |= {"SKYPILOT_NUM_GPUS_PER_NODE": "8", "SKYPILOT_NODE_RANK": "1"}
    done = subprocess.run(["bash"], input=script, text=True, capture_output=True, env=env, check=True)
    words = done.stdout.splitlines()
    assert {"--nnodes=2", "--nproc-per-node=8", "--node-rank=1", "--rdzv-endpoint=10.0.0.1:29500"} <= set(words)


@pytest.mark.parametrize(("gpu", "name", "guessed"), [("h200-sxm", "H200", False), ("mi300x", "MI300X", True)])
def test_a_note_reports_a_guessed_accelerator(gpu: str, name: str, guessed: bool) -> None:
    """The accelerator is derived from the preset's name; a note says so where SkyPilot's list lacks it."""
    exported = export("skypilot", request(**(SMALL | {"gpu": gpu})))
    assert f"accelerators: {name}:8\n" in exported.files["task.yaml"]
    assert any("guess" in note for note in exported.notes) == guessed


def test_evil_names_harm_nothing_in_a_batch_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile names end up in comments and a plain job name: nothing is executed, no directive added."""
    without_trainer(monkeypatch)
    script, hostile = with_hostile_names("slurm")
    assert accepted(script)
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert len(directives) == 4 and all(re.fullmatch(r"#SBATCH --[a-z-]+=[\w.-]+", line) for line in directives)
    bare = script.split("set -euo pipefail")[0]
    done = subprocess.run(["bash"], input=bare, text=True, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)}, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])
    usual = export("slurm", Request(example(**SMALL), hostile.plan)).files["train.sbatch"].split("set -euo pipefail")[1]
    assert script.split("set -euo pipefail")[1] == usual


def test_evil_names_harm_nothing_in_a_task() -> None:
    """Hostile names leave the task's four keys, plain names, and the usual script."""
    text, _ = with_hostile_names("skypilot")
    task = yaml.safe_load(text)
    assert set(task) == {"name", "num_nodes", "resources", "run"}
    assert re.fullmatch(r"[a-z][a-z0-9.-]*", task["name"]) and re.fullmatch(r"[A-Z0-9.]+:8", task["resources"]["accelerators"])
    assert task["run"] == yaml.safe_load(export("skypilot", request(**SMALL)).files["task.yaml"])["run"]
