"""SkyPilot: `task.yaml` requests the nodes and starts torchrun on each."""

from __future__ import annotations

import re
from typing import Any

import yaml

from planner import plaintext
from planner.exporters._degrees import degrees
from planner.exporters._options import ALLOCATOR
from planner.exporters.registry import Exported, Request, Target, register
from planner.exporters.slurm import NO_COMMAND, comments, refusals, slug

MAIN = "task.yaml"
# SkyPilot's names of GPUs by preset, from its documentation.
NAMES = {
    "a10": "A10", "a100-40gb-sxm": "A100", "a100-80gb-pcie": "A100-80GB", "a100-80gb-sxm": "A100-80GB-SXM", "b200": "B200",
    "h100-pcie": "H100", "h100-sxm": "H100", "h200-sxm": "H200", "l40s": "L40S", "v100-16gb-sxm": "V100", "v100-32gb-sxm": "V100-32GB",
}  # fmt: skip
RUN = """\
set -euo pipefail

# ==== COMMAND: the program of each process; set your program and its arguments here ====
COMMAND=(train.py)

torchrun \\
    --nnodes="$SKYPILOT_NUM_NODES" \\
    --nproc-per-node="$SKYPILOT_NUM_GPUS_PER_NODE" \\
    --node-rank="$SKYPILOT_NODE_RANK" \\
    --rdzv-backend=static \\
    --rdzv-endpoint="${SKYPILOT_NODE_IPS%%$'\\n'*}:${MASTER_PORT:-29500}" \\
    "${COMMAND[@]}"
"""


class Block(str):
    """Text written to YAML line by line: a script for the user to edit."""


yaml.SafeDumper.add_representer(Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def write(request: Request) -> Exported:
    """The task. Its names have only letters, digits, dots and dashes, whatever the names of the presets."""
    d = degrees(request)
    name = request.job.cluster.gpu.name
    task: dict[str, Any] = {
        "name": re.sub(r"^[^a-z]+", "", slug(request.job.model.name)) or "train",
        "num_nodes": d.nodes,
        "resources": {"accelerators": f"{accelerator(name)}:{d.gpus_per_node}"},
        "run": Block(RUN),
    }
    if request.job.expandable_segments:
        task = {key: value for key, value in task.items() if key != "run"} | {"envs": dict([ALLOCATOR.split("=", 1)]), "run": task["run"]}
    guess = f"SkyPilot's name for {plaintext.line(name)} is a guess, {accelerator(name)}: `sky show-gpus` lists the known ones"
    notes = (NO_COMMAND, *(() if name in NAMES else (guess,)))
    head = comments((*request.about, *(f"Note: {note}" for note in notes)))
    return Exported({MAIN: f"{head}\n{yaml.safe_dump(task, sort_keys=False, allow_unicode=True, width=140)}"}, notes)


def accelerator(name: str) -> str:
    """SkyPilot's name of a GPU: from its list, else the first word of the preset's name in capitals."""
    return NAMES.get(name) or slug(name).split("-")[0].upper()


register(Target("skypilot", "SkyPilot", MAIN, "0.8 or newer", refusals, write))
