"""torchtitan 0.3.0's Python module: its keys, and the text that sets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from planner.exporters._common import comment
from planner.exporters._degrees import Degrees
from planner.exporters._keys import Key, keys
from planner.exporters._keys_torchtitan import KEYS, Flavor
from planner.exporters.registry import Request

VERSION_03 = "0.3.0"
REMOVED = ("expert_tensor_parallel_degree", "pipeline_parallel_expert_parallel_overlap")  # keys of 0.2.2 without a successor
PARALLELISM: Mapping[str, Key] = {
    name.removeprefix("parallelism."): key
    for name, key in KEYS.items()
    if name.startswith("parallelism.") and not name.endswith(REMOVED)
} | keys(bool, "enable_sequence_parallel")  # fmt: skip
TRAINING: Mapping[str, Key] = {
    name.removeprefix("training."): key for name, key in KEYS.items() if name.startswith("training.")
} | keys(bool, "disable_cuda_graphs")  # fmt: skip
RECOMPUTE = {"none": "", "selective": "SelectiveAC", "full": "FullAC"}

TEXT = """
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import default_adamw
{imported}from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.models.{model} import model_registry
from torchtitan.trainer import Trainer


def tmplan() -> Trainer.Config:
    model_spec = model_registry({flavor}{converters})
    return Trainer.Config(
        model_spec=model_spec,
        loss=ChunkedLossWrapper.Config(loss_fn=CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(model_spec))),
        optimizer=default_adamw(),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4_test"),
        training=TrainingConfig({training}
        ),
        parallelism=ParallelismConfig({parallelism}
        ),
        activation_checkpoint={recompute},
    )
"""


def module(request: Request, d: Degrees, kind: Flavor, split: dict[str, Any], notes: list[str]) -> str:
    """The text of train.py for torchtitan 0.3."""
    training = {
        "local_batch_size": d.micro_batch * (d.micro_batches if d.pp > 1 else 1), "global_batch_size": request.job.global_batch,
        "seq_len": request.job.sequence, "enable_cpu_offload": request.job.offload_optimizer, "disable_cuda_graphs": True,
        "dtype": "float32", "mixed_precision_param": "bfloat16", "mixed_precision_reduce": "float32",
    }  # fmt: skip
    split = split | {"enable_sequence_parallel": d.sequence_parallel or d.tp == 1}
    narrow, recompute = request.job.precision == "fp8", RECOMPUTE[d.recompute]
    imported = "from torchtitan.components.quantization import Float8LinearConverter\n" if narrow else ""
    imported += "from torchtitan.config import ParallelismConfig, TrainingConfig\n"
    imported += f"from torchtitan.distributed.activation_checkpoint import {recompute}\n" if recompute else ""
    converters = ", converters=[Float8LinearConverter.Config(model_compile_enabled=False)]"
    head = comment([f"torchtitan {VERSION_03} (0.3): --module train --config tmplan; 0.2.x takes train.toml", *request.about, *notes])
    return head + TEXT.format(
        imported=imported, model=kind.module or kind.model, flavor=_quoted(kind.flavor_03), converters=converters if narrow else "",
        training=_lines(training), parallelism=_lines(split), recompute=f"{recompute}.Config()" if recompute else "None",
    )  # fmt: skip


def _quoted(value: object) -> str:
    """A value as a Python literal, text in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _lines(values: Mapping[str, object]) -> str:
    """The values as keyword arguments, one per line."""
    return "".join(f"\n            {name}={_quoted(value)}," for name, value in values.items())
