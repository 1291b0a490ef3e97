"""A valid file of each kind with any value in any place is read, or refused in one sentence; it never causes an internal error."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from planner import presets
from planner.document import planfile
from planner.document.inputs import EXAMPLE, resolve, run_of, used
from planner.document.space import Space
from planner.errors import TmplanError
from planner.presets import hf_config
from planner.presets.toml_keys import read_toml
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.nasty import NASTY, changed, readable
from tests.planner.presets.hf_configs import DEEPSEEK, LLAMA, LLAMA_4, QWEN_MOE

PLAN = tomllib.loads(
    planfile.dumps(
        planfile.Document(
            EXAMPLE.with_all({"cluster": "dgx-h100", "gpus": 64, "model": "qwen2-57b-a14b"}),
            Space().with_("tp", "8").with_("recompute", "none,full"),
            Plan(tp=8, pp=2, dp=4, dp_shard=4, zero=1),
            {"memory_gib": 60.0, "fits": True, "time_parts_seconds": {"optimizer": 0.1}},
            "0.1.0",
        )
    )
)

PRESETS = {"gpus": "h100-sxm", "clusters": "dgx-h100", "models": "qwen2-57b-a14b", "stacks": "torchtitan"}
ODD: dict[str, Any] = QWEN_MOE | {
    "model_type": "nobody-knows", "_name_or_path": "a/b", "layer_types": ["full_attention", "sliding_attention"] * 24, "moe_layers": [3, 5],
    "text_config": QWEN_MOE | {"mlp_layer_types": ["sparse"] * 48}, "moe_layer_freq": [0, 1] * 24, "is_encoder_decoder": False,
}  # fmt: skip


def refused_readably(read: Callable[[], Any]) -> None:
    """Call a reader; the only exception allowed is a TmplanError whose message is readable and has no value cut short."""
    try:
        read()
    except TmplanError as error:
        assert readable(str(error)) and " … " not in str(error), str(error)


@pytest.mark.parametrize("new", NASTY, ids=range(len(NASTY)))
def test_any_value_in_any_place_of_a_plan_file(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of a plan file has each odd value once; what is read resolves to a job and a plan."""
    current: list[Any] = []
    monkeypatch.setattr(planfile, "decode", SimpleNamespace(toml=lambda *_: current[-1]))  # the decoder of presets is not replaced

    def read() -> None:
        document = planfile.loads("schema = 1")
        job = resolve(document.inputs)
        run_of(document.inputs, job)
        assert len(used(document.inputs)) in (3, 4)
        assert planfile.dumps(document)

    for tables in changed(PLAN, new):
        current.append(tables)
        refused_readably(read)


@pytest.mark.parametrize("kind", PRESETS)
def test_any_value_in_any_place_of_a_preset(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of a preset has each odd value once."""
    good = presets.table(kind, PRESETS[kind])
    for new in NASTY:
        for tables in changed(good, new):
            monkeypatch.setattr(presets, "read_toml", lambda path, odd=tables: odd if path.name == "mine.toml" else read_toml(path))
            refused_readably(lambda: getattr(presets, kind.removesuffix("s"))("./mine.toml"))


@pytest.mark.parametrize("config", [LLAMA, DEEPSEEK, LLAMA_4, QWEN_MOE, ODD], ids=lambda config: str(config["model_type"]))
def test_any_value_in_any_place_of_a_hugging_face_config(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of a config.json has each odd value once; what is read has a short name and readable notes."""
    for new in (*NASTY, None):
        for odd in changed(config, new):
            monkeypatch.setattr(hf_config, "_load", lambda _, odd=odd: odd)
            refused_readably(lambda: plain(hf_config.read(Path("config.json"))))


def plain(model: Model) -> None:
    """A model's name and notes are short enough to be shown."""
    assert readable(model.name, 100) and all(map(readable, model.notes))
