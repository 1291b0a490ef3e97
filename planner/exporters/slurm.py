"""Slurm: `train.sbatch` starts torchrun on every node, and Megatron-LM under it where the plan can be written for that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from planner import plaintext
from planner.exporters import registry
from planner.exporters._degrees import Degrees, degrees
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "train.sbatch"
TRAINER = "megatron-lm"  # the target whose script the job runs
NO_COMMAND = "which program trains is not in it: put yours where COMMAND is set"
PLACEHOLDER = """\
# ==== COMMAND: what each process runs; put your own program and its arguments here ====
COMMAND=(train.py)
"""


def refusals(request: Request) -> list[str]:
    """Why no launcher can place this plan: the GPUs are none, or do not fill whole nodes."""
    cluster = request.job.cluster
    if cluster.gpu.vendor == "google":
        return [f"{plaintext.line(cluster.gpu.name)} is no GPU that torchrun starts processes on; choose a GPU"]
    if cluster.gpus % degrees(request).gpus_per_node:
        return [
            f"{cluster.gpus:,} GPUs do not fill whole nodes of {cluster.gpus_per_node}; "
            f"take a multiple of {cluster.gpus_per_node}, or set gpus_per_node"
        ]
    return []


def write(request: Request) -> Exported:
    """The batch script, and the script of Megatron-LM that it runs where there can be one."""
    d = degrees(request)
    beside, notes = trainer(request)
    if not beside:
        notes = (NO_COMMAND, *notes)
        return Exported({MAIN: script(request, d, notes, PLACEHOLDER + torchrun(d))}, notes)
    return Exported({MAIN: script(request, d, (), running(beside)), **beside}, notes)  # whose notes stand in its own file


def trainer(request: Request) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The files of the plan for Megatron-LM, and what to know of them; no files, and why, where it cannot be written for it."""
    found = registry.targets().get(TRAINER)
    if found is None:
        return {}, ()
    if reasons := found.refusals(request):
        return {}, (f"{found.title} cannot take this plan: {'; '.join(reasons)}",)
    exported = found.write(request)
    return exported.files, exported.notes


def script(request: Request, d: Degrees, notes: tuple[str, ...], last: str) -> str:
    """The whole script; directives come before the first command, for Slurm reads none behind it."""
    return f"""\
#!/bin/bash
{comments((*request.about, *(f"Note: {note}" for note in notes)))}
#SBATCH --job-name={slug(request.job.model.name)}
#SBATCH --nodes={d.nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={d.gpus_per_node}

set -euo pipefail

# Slurm gives --node-rank the order of the node list: ranks lie on nodes as `tmplan ranks` shows them.
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR="${{hosts%%$'\\n'*}}"
export MASTER_PORT="${{MASTER_PORT:-29500}}"

{last}"""


def torchrun(d: Degrees) -> str:
    """The last command: torchrun on each node. Its arguments are expanded there: on the first node every node would have rank 0."""
    return f"""\
srun bash -c 'exec torchrun \\
    --nnodes={d.nodes} --nproc-per-node={d.gpus_per_node} --node-rank="$SLURM_NODEID" \\
    --rdzv-backend=static --rdzv-endpoint="$MASTER_ADDR:$MASTER_PORT" --rdzv-id="$SLURM_JOB_ID" \\
    "$@"' torchrun "${{COMMAND[@]}}"
"""


def running(beside: Mapping[str, str]) -> str:
    """The last command where Megatron-LM's script lies beside the job's. That script starts torchrun itself, once a node."""
    return f"""\
# ==== COMMAND: what each node runs; it starts torchrun there, as NODE_RANK, MASTER_ADDR and MASTER_PORT say ====
# Slurm runs a copy of this file: call sbatch in the folder where {next(iter(beside))} lies.
COMMAND=(bash "${{SLURM_SUBMIT_DIR:-$PWD}}/{next(iter(beside))}")
srun bash -c 'export NODE_RANK="$SLURM_NODEID"; exec "$@"' node "${{COMMAND[@]}}"
"""


def comments(lines: Iterable[str]) -> str:
    """Lines as comments, each on one line whatever it holds."""
    return "\n".join(f"# {text}" for line in lines if (text := plaintext.line(line))) or "#"


def slug(name: str) -> str:
    """A name that needs no quotes anywhere: letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60] or "train"


register(Target("slurm", "Slurm", MAIN, "19.05 or newer", refusals, write))
