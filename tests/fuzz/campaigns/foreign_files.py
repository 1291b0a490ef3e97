"""Campaign: files of other frameworks, mutated: Megatron-LM scripts, torchtitan TOML, DeepSpeed JSON, accelerate YAML."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from random import Random

import yaml

from planner.cost.evaluate import evaluate
from planner.document import planfile
from planner.document.inputs import resolve
from planner.importers import formats
from planner.importers.imported import document_of, inputs_of
from tests.fuzz import nasty, tomltext
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.campaigns.config_json import json_text
from tests.fuzz.ledger import ROOT
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.promises import tried

KINDS = {"megatron": ("megatron-lm-*.sh", "x.sh"), "titan": ("torchtitan-*.toml", "x.toml"), "deepspeed": ("deepspeed-*.json", "x.json"),
         "accelerate": ("accelerate-*.yaml", "x.yaml")}  # fmt: skip
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{inner}'] * 9)}]\n" for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
)
YAMLS = (
    BOMB, "[" * 2000, "{" * 500, "a: " * 300, "? " * 200 + "\n", "&a [*a]\n", "&a {a: *a}\n", "!!python/object/apply:os.getcwd []\n",
    "x: !!python/name:os.system\n", "x: 2001-99-99\n", "? [1,2]\n: 3\n", "? {a: 1}\n: 3\n", "<<: [1]\n", "<<: &a {<<: *a}\n",
    "- 1\n---\n- 2\n", "x: 1:60:60\n", "x: 0o99\n", "x: !!int 'z'\n", "x: !!float 'z'\n", "x: !!timestamp 'z'\n", "x: !!binary '%%'\n",
    "x: !!bool 'z'\n", "x: !!set {a, b}\n", "x: !!omap [a: 1]\n", "%YAML 9.9\n---\nx: 1\n", "num_processes: &a [*a]\n",
    "num_machines: 1:30\n", f"num_processes: 0x{'f' * 5000}\n", f"num_processes: {'9' * 5000}\n", "num_processes: .nan\n",
    '"\\e]0;x\\a": 1\n',
)  # fmt: skip
ALIASES = ("num_processes: *i\n", "mixed_precision: *i\n", "*i : 1\n", "fsdp_config: *i\n", "")
SHELL = (
    "X=$X", "X='$Y$Y'\nY='$X$X'\n--num-layers $X", "A=(" * 1000, "--num-layers " + "9" * 12, "--moe-layer-freq ([1]*9999)*9999",
    '--pipeline-model-parallel-layout "' + "(|*9999)*9999" * 50 + '"', "--no-such-option\x1b]0;x\x07 1", "X=" + "$X" * 500,
)  # fmt: skip
DEGREES = ("tensor-model", "pipeline-model", "context", "expert-model", "expert-tensor")


@cache
def bases(kind: str) -> tuple[str, ...]:
    """The files of a kind that tmplan writes itself."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/golden/export").glob(KINDS[kind][0])))


def draw(rng: Random) -> Case:
    """A file of one of the kinds; `name` is its file name, `model` the value of an option if the file lacks it."""
    kind = rng.choice(sorted(KINDS))
    text = {"megatron": megatron, "titan": titan, "deepspeed": deepspeed, "accelerate": accelerate}[kind](rng, rng.choice(bases(kind)))
    data = text.encode("utf-8", "replace")
    if rng.random() < 0.15:
        data = shaken(rng, data)
    model = rng.choice(("", "llama-3.1-8b"))
    return {"name": KINDS[kind][1], "data": nasty.packed(data), "model": model, "way": rng.choices(("read", "command"), (85, 15))[0]}


def megatron(rng: Random, text: str) -> str:
    """A script with words of it changed, and now and then a line that a shell would choke on."""
    words = text.split(" ")
    for number in range(len(words)):
        chance = rng.random()
        if chance < 0.01:
            words[number] = str(rng.choice(nasty.NUMBERS))
        elif chance < 0.015:
            words[number] = rng.choice(nasty.TEXTS)
        elif chance < 0.02:
            words[number] = rng.choice(words)
    if rng.random() < 0.1:
        words.append(f"\n--{rng.choice(DEGREES)}-parallel-size {rng.choice((0, 1, 3, -1, 10**9))}")
    return " ".join(words) + (f"\n{rng.choice(SHELL)}" if rng.random() < 0.1 else "")


def titan(rng: Random, text: str) -> str:
    """A configuration of torchtitan with tables of it changed."""
    return tomltext.dumps(mutated(rng, tomllib.loads(text), none=False), rng)


def deepspeed(rng: Random, text: str) -> str:
    """A configuration of DeepSpeed with objects of it changed."""
    data = json.loads(text)
    return json_text(rng, mutated(rng, data), sorted(data))


def accelerate(rng: Random, text: str) -> str:
    """A configuration of accelerate with mappings of it changed, or with YAML that is hard to read before it."""
    if rng.random() < 0.7:
        return str(yaml.safe_dump(mutated(rng, yaml.safe_load(text))))
    return rng.choice(YAMLS) + rng.choice(ALIASES) + rng.choice(("", text))


def check(case: Case, bench: Bench) -> None:
    """The file is a job and a plan, or refused; both are written and read back the same."""
    path = bench.file(case["name"], nasty.unpacked(case["data"]))
    if case["way"] == "command":
        model = ["--model", case["model"]] if case["model"] else []
        argv = ["import", str(path), *model, "--tp", "1", "--pp", "1", "--cp", "1", "--micro-batch", "1"]
        tried(argv)
        return
    result = formats.read(path)
    inputs = inputs_of(result, str(path), "" if "model" in result.job else case["model"])
    document = document_of(result, inputs)
    job = resolve(document.inputs)
    again = planfile.loads(planfile.dumps(document))
    need((again.inputs.values, again.space, again.plan) == (document.inputs.values, document.space, document.plan),
         "what was imported is not read back unchanged")  # fmt: skip
    if document.plan is not None and job.model.layers < 1000:
        evaluate(job, document.plan)


register(Campaign("foreign-files", "files of Megatron-LM, torchtitan, DeepSpeed and accelerate", draw, check, weight=1.5,
                  shrinks=("data",)))  # fmt: skip
