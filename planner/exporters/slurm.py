"""Slurm: `train.sbatch` starts torchrun on every node, and in it Megatron-LM where the plan can be exported to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from planner import plaintext
from planner.exporters import registry
from planner.exporters._degrees import Degrees, degrees
from planner.exporters._options import ALLOCATOR
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "train.sbatch"
TRAINER = "megatron-lm"  # the target whose script the job runs
NO_COMMAND = "the training program is not included: set COMMAND to yours"
PLACEHOLDER = """\
# ==== COMMAND: the program of each process; set your program and its arguments here ====
COMMAND=(train.py)
"""


def refusals(request: Request) -> list[str]:
    """Why no launcher can place this plan: the devices are not GPUs, or do not fill whole nodes."""
    cluster = request.job.cluster
    if cluster.gpu.vendor == "google":
        return [f"{plaintext.line(cluster.gpu.name)} is not a GPU supported by torchrun; choose a GPU"]
    if cluster.gpus % degrees(request).gpus_per_node:
        return [
            f"{cluster.gpus:,} GPUs do not fill whole nodes of {cluster.gpus_per_node}; "
            f"use a multiple of {cluster.gpus_per_node}, or set gpus_per_node"
        ]
    return []


def write(request: Request) -> Exported:
    """The batch script, and the Megatron-LM script that it runs where the plan can be exported to it."""
    d = degrees(request)
    script_files, notes = trainer(request)
    if not script_files:
        notes = (NO_COMMAND, *notes)
        variable = f"export {ALLOCATOR}\n" if request.job.expandable_segments else ""
        return Exported({MAIN: script(request, d, notes, variable + PLACEHOLDER + torchrun(d))}, notes)
    return Exported({MAIN: script(request, d, (), running(script_files)), **script_files}, notes)  # its notes are in its file


def trainer(request: Request) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The files and notes of the plan for Megatron-LM; without files, the reason, where it is refused."""
    megatron = registry.targets().get(TRAINER)
    if megatron is None:
        return {}, ()
    if reasons := megatron.refusals(request):
        return {}, (f"{megatron.title} refuses this plan: {'; '.join(reasons)}",)
    exported = megatron.write(request)
    return exported.files, exported.notes


def script(request: Request, d: Degrees, notes: tuple[str, ...], last: str) -> str:
    """The complete script; directives precede the first command, because Slurm ignores later ones."""
    return f"""\
#!/bin/bash
{comments((*request.about, *(f"Note: {note}" for note in notes)))}
#SBATCH --job-name={slug(request.job.model.name)}
#SBATCH --nodes={d.nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={d.gpus_per_node}

set -euo pipefail

# --node-rank follows the order of Slurm's node list: ranks are placed on nodes as `tmplan ranks` shows.
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR="${{hosts%%$'\\n'*}}"
export MASTER_PORT="${{MASTER_PORT:-29500}}"

{last}"""


def torchrun(d: Degrees) -> str:
    """The last command: torchrun on each node. Variables are expanded there; on the first node every node would have rank 0."""
    return f"""\
srun bash -c 'exec torchrun \\
    --nnodes={d.nodes} --nproc-per-node={d.gpus_per_node} --node-rank="$SLURM_NODEID" \\
    --rdzv-backend=static --rdzv-endpoint="$MASTER_ADDR:$MASTER_PORT" --rdzv-id="$SLURM_JOB_ID" \\
    "$@"' torchrun "${{COMMAND[@]}}"
"""


def running(files: Mapping[str, str]) -> str:
    """The last command with a Megatron-LM script next to the job's. That script starts torchrun itself, once per node."""
    return f"""\
# ==== COMMAND: run once per node; starts torchrun with NODE_RANK, MASTER_ADDR and MASTER_PORT ====
# Slurm runs a copy of this file: call sbatch in the folder of {next(iter(files))}.
COMMAND=(bash "${{SLURM_SUBMIT_DIR:-$PWD}}/{next(iter(files))}")
srun bash -c 'export NODE_RANK="$SLURM_NODEID"; exec "$@"' node "${{COMMAND[@]}}"
"""


def comments(lines: Iterable[str]) -> str:
    """Lines as comments, each on a single line."""
    return "\n".join(f"# {text}" for line in lines if (text := plaintext.line(line))) or "#"


def slug(name: str) -> str:
    """A name of letters, digits, dots and dashes, which is never quoted."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60] or "train"


register(Target("slurm", "Slurm", MAIN, "19.05 or newer", refusals, write))
