"""Campaign: jobs of a size that a user could type, each in a separate process: memory below 1 GB, and ctrl+c ends them."""

from __future__ import annotations

from random import Random

from tests.fuzz import children
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.guard import MEMORY
from tests.fuzz.promises import DOCUMENTED, checked

PATIENCE = 30.0  # seconds after which ctrl+c is pressed, and in which it must end the command
COMMANDS = (
    "plan",
    "plan",
    "plan",
    "explain",
    "budget",
    "sensitivity",
    "versus",
    "pareto",
    "timeline",
    "ranks",
    "compare",
    "scale",
    "why-not",
)
MODELS = ("llama-3.1-405b", "deepseek-v3-671b", "kimi-k2-1t", "llama-3.1-8b", "mixtral-8x22b")
GPUS = ("2048", "15360", "16384", "100000", "720720", "983040", "1000000")
BATCHES = ("1966080", "1000000", "720720", "15360", "16384")
SIZES = {"--layers": ("126", "500", "1000"), "--experts": ("64", "256", "512"), "--recompute-layers": (">=1", ">=3"), "--stack": (
    "megatron-core", "zero-bubble", "deepseek", "nemo-tuned", "torchtitan", "nanotron")}  # fmt: skip
MORE = {
    "budget": ("--deadline-days", "30", "--train-tokens", "15t"), "versus": ("--against", "dgx-b200"), "scale": ("--to", "1000000"),
    "compare": ("--plan", "tp=8", "--plan", "tp=4"), "why-not": ("tp=3",),
}  # fmt: skip


def draw(rng: Random) -> Case:
    """A command on a large job."""
    name = rng.choice(COMMANDS)
    argv = [name, *MORE.get(name, ()), "--model", rng.choice(MODELS), "--gpus", rng.choice(GPUS), "--global-batch", rng.choice(BATCHES)]
    for option in rng.sample(sorted(SIZES), rng.choice((0, 1, 2, 3))):
        argv += [option, rng.choice(SIZES[option])]
    if name == "plan" and rng.random() < 0.3:
        argv += ["--all", "--top", rng.choice(("1", "100000")), "--format", "json"]
    return {"argv": argv}


def check(case: Case, bench: Bench) -> None:
    """The command keeps what every command promises, in bounded memory; where it takes long, ctrl+c ends it with 130."""
    ended = children.run(case["argv"], bench.folder, patience=PATIENCE)
    bench.measure("memory in MB", ended.memory / 1e6)
    bench.measure("seconds of a job that ended by itself", ended.seconds if ended.interrupted is None else 0.0)
    need(ended.memory < MEMORY, "a job takes more than 1 GB", f"{ended.memory / 1e9:.2f} GB; {ended.ran.err[-300:]}")
    if ended.interrupted is None:
        checked(case["argv"], ended.ran)
        return
    bench.measure("seconds from ctrl+c to the end", ended.interrupted)
    need(ended.interrupted < PATIENCE, f"ctrl+c does not end a command within {PATIENCE:.0f} s")
    checked(case["argv"], ended.ran, codes=(*DOCUMENTED, 130))


register(
    Campaign(
        "large-jobs", "jobs of thousands of GPUs, layers and experts", draw, check, weight=2.0, shrinks=("argv",), limit=120.0, tries=0
    )
)
