"""Campaign: plans exported under hostile names: every file parsed by its own parser, scripts run with stand-ins, and no name is run."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from planner.document.inputs import Inputs, resolve
from planner.document.space import Space
from planner.exporters import registry
from planner.report.best import best_fitting
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.fuzz.campaign import Bench, Broken, Campaign, Case, need, register
from tests.fuzz.promises import clean
from tui.state import export_files

CANARY = "CANARY"  # stands in a name for the path of a file that running the name would make
NAMES = (
    "x$(touch CANARY)", "x`touch CANARY`", "x'; touch CANARY; '", 'x"; touch CANARY; "', "x\ntouch CANARY\n", "x\r\ntouch CANARY", "-rf",
    "--help", "../../CANARY", "x;touch CANARY", "x|touch CANARY", "x&touch CANARY&", "x\x00y", "x\x1b]0;P\x07", "x\u2028touch CANARY",
    "\u202eevil", "é" * 300, "", " ", "#", "x #SBATCH --wrap=touch", "x\n#SBATCH --wrap='touch CANARY'", "*/", "'''\nimport os\n'''", "{{",
    "}}", "%s%n", "\\", '"""\nimport os; os.system("touch CANARY")\n"""', "\\\n", "a: b", "- a", "? a",
    "!!python/object/apply:os.system ['touch CANARY']", "*a", "&a", "|", ">", "[a", "{a", "null", "true", "1e3", "0x10", "=1+1", "$HOME",
    "${IFS}", "~", "~root", "\\N{DASH}", "a" * 5000, "]]>", "\ud800",
)  # fmt: skip
JOBS: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    ({"model": "llama-3.1-8b", "gpus": 16, "stack": "megatron-core", "global_batch": 16, "gpus_per_node": 8}, {}),
    ({"model": "llama-3.1-8b", "gpus": 16, "stack": "torchtitan", "global_batch": 16}, {"pp": "1"}),
    ({"model": "llama-3.1-8b", "gpus": 8, "stack": "pytorch-fsdp", "global_batch": 16}, {"zero": "3"}),
    ({"model": "llama-3.2-1b", "gpus": 8, "stack": "deepspeed", "global_batch": 16}, {}),
    ({"model": "llama-3.2-1b", "gpus": 8, "stack": "nanotron", "global_batch": 16}, {}),
    ({"model": "llama-3.2-1b", "gpu": "tpu-v5p", "gpus": 8, "stack": "maxtext", "global_batch": 16}, {}),
    ({"model": "mixtral-8x7b", "gpus": 32, "stack": "nemo", "global_batch": 32}, {}),
)  # fmt: skip
STAND_INS = {"torchrun": "", "sbatch": "", "scontrol": "echo node1", "srun": 'exec "$@"'}  # what the scripts would start


@cache
def planned(number: int) -> tuple[Job, Plan]:
    """One of the jobs and its best plan."""
    values, bounds = JOBS[number]
    space = Space()
    for axis, text in bounds.items():
        space = space.with_(axis, text)
    job = resolve(Inputs().with_all(values))
    result = best_fitting(job, space)
    assert result is not None
    return job, result.plan


def draw(rng: Random) -> Case:
    """A job, a name, what is called so, and a target."""
    name = "".join(rng.choice(NAMES) for _ in range(rng.choice((1, 1, 1, 2))))
    where = rng.choice(("model", "model", "gpu", "stack", "cluster", "version"))
    return {
        "job": rng.randrange(len(JOBS)),
        "name": name,
        "where": where,
        "target": rng.choice(list(registry.targets())),
        "run": rng.random() < 0.3,
    }


def named(job: Job, where: str, name: str) -> Job:
    """The job with a part of it called otherwise."""
    if where == "model":
        return replace(job, model=replace(job.model, name=name))
    if where == "gpu":
        return replace(job, cluster=replace(job.cluster, gpu=replace(job.cluster.gpu, name=name)))
    if where == "stack":
        return replace(job, stack=replace(job.stack, name=name, title=name))
    return replace(job, cluster=replace(job.cluster, name=name)) if where == "cluster" else job


def check(case: Case, bench: Bench) -> None:
    """The plan is exported, or refused; the files are what they should be, and nothing of a name is ever run."""
    job, plan = planned(case["job"])
    canary = bench.folder / "canary"
    name = case["name"].replace(CANARY, str(canary))
    version = f"0.1.0\n{name}" if case["where"] == "version" else "0.1.0"
    exported = registry.export(case["target"], export_files.request(named(job, case["where"], name), plan, version))
    folder = bench.folder / "exported"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file, text in exported.files.items():
        need(file and "/" not in file and ".." not in file and "\x00" not in file, "a file name leaves its folder", file)
        clean(text, f"in a file of {case['target']}")
        (folder / file).write_text(text, encoding="utf-8")
        parsed(folder / file, text)
    if case["run"]:
        for file, text in exported.files.items():
            started(folder / file, text, environment(bench.folder))
    if canary.exists():
        canary.unlink()
        raise Broken("a name was run by a script that was exported", case["target"])


def parsed(path: Path, text: str) -> None:
    """The parser of a file's kind takes it."""
    try:
        if path.suffix in (".sh", ".sbatch"):
            done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            need(done.returncode == 0, f"bash cannot parse {path.name}", done.stderr)
            for line in text.splitlines():
                need(not line.startswith("#SBATCH") or len(line.split()) == 2, "an #SBATCH line has more than one option", line)
        elif path.suffix in (".yaml", ".yml"):
            need(isinstance(yaml.safe_load(text), dict), "YAML that is not a mapping")
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".py":
            ast.parse(text)
    except (yaml.YAMLError, ValueError, SyntaxError) as error:
        raise Broken(f"{path.suffix} cannot be parsed", error) from None


def started(path: Path, text: str, variables: Mapping[str, str]) -> None:
    """Run a script, with stand-ins for all that it would start."""
    if path.suffix in (".sh", ".sbatch"):
        argv = ["bash", str(path)]
    elif path.name == "task.yaml":
        argv = ["bash", "-c", str(yaml.safe_load(text)["run"])]
    else:
        return
    subprocess.run(argv, capture_output=True, cwd=path.parent, stdin=subprocess.DEVNULL, env=variables, timeout=15, check=False)


def environment(folder: Path) -> dict[str, str]:
    """The variables of a node of Slurm, and stand-ins before everything else."""
    stand_ins = folder / "bin"
    if not stand_ins.exists():
        stand_ins.mkdir()
        for name, line in STAND_INS.items():
            (stand_ins / name).write_text(f"#!/bin/sh\n{line}\n")
            (stand_ins / name).chmod(0o755)
    path = f"{stand_ins}:{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": path, "SLURM_JOB_NODELIST": "n", "SLURM_NODEID": "0", "SLURM_JOB_ID": "1", "SLURM_NNODES": "1"}


register(Campaign("exports", "exports under hostile names", draw, check, weight=1.0, shrinks=("name",), limit=40.0))
