"""The options of Megatron-LM's command line: which of them are read, and typed access to their values.

Option names: megatron/training/arguments.py (Megatron-LM d98e8a64dd).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from planner.errors import FileError
from planner.plaintext import quoted

NAME = re.compile(r"[\w-]+")
LAUNCHER = frozenset(
    NAME.findall("""
    nnodes nproc-per-node nproc_per_node node-rank node_rank rdzv-backend rdzv-endpoint rdzv-id rdzv_backend rdzv_endpoint rdzv_id
    master-addr master-port master_addr master_port standalone
    """)
)
SIZES = {
    "num-layers": "layers", "hidden-size": "hidden", "num-attention-heads": "heads", "ffn-hidden-size": "ffn", "kv-channels": "head_dim",
    "vocab-size": "vocab", "num-experts": "experts", "moe-router-topk": "experts_per_token", "moe-ffn-hidden-size": "expert_ffn",
    "moe-shared-expert-intermediate-size": "shared_ffn", "mtp-num-layers": "mtp_layers", "kv-lora-rank": "kv_rank",
}  # fmt: skip
DEGREES = {
    "tensor-model-parallel-size": "tp", "pipeline-model-parallel-size": "pp", "context-parallel-size": "cp",
    "micro-batch-size": "micro_batch", "expert-model-parallel-size": "ep", "num-virtual-stages-per-pipeline-rank": "vpp",
}  # fmt: skip
# Beginnings of the options that the importer reads, or that affect neither memory nor time in tmplan's model.
KNOWN = tuple(
    NAME.findall("""
    account-for accumulate adam- add-qkv apply- attention-backend attention-dropout bf16 bias- calculate ckpt clip-grad
    cp-comm-type cpu-offloading cross-entropy cuda-graph data- data-parallel-sharding-strategy ddp- decoder- deterministic disable-bias
    distributed eval- exit- exp-avg expert-tensor-parallel-size flash-attention-version fp16 fp4 fp8 global-batch-size grad-reduce
    gradient-accumulation-fusion group-query hidden-dropout hysteresis init-method initial-loss load log- loss-scale lr main-
    make-vocab manual-gc masked max-position-embeddings megatron-fsdp merge-file min-lr mock-data moe-aux moe-enable moe-flex
    moe-expert-capacity-factor moe-grouped moe-layer-freq moe-pad moe-permute moe-router moe-shared-expert-gate moe-token
    multi-latent no-bias no-gradient no-load no-masked no-rope no-save norm-epsilon normalization num-distributed-optimizer-instances
    num-layers-per-virtual-pipeline-stage num-query-groups num-workers optimizer outer-dp overlap pipeline-model-parallel-layout
    position-embedding-type q-lora qk- recompute rope-type rotary save seed seq-length sequence-parallel sgd-momentum softmax split
    squared-relu swiglu te-rng tensorboard tokenizer tp-comm train- transformer-impl untie use-cpu use-distributed use-flash-attn
    use-mcore use-megatron-fsdp use-precision use-rotary use-torch-fsdp2 v-head vocab-file wandb weight-decay window window-attn
    """)
)


def arguments(words: Sequence[str]) -> dict[str, list[str]]:
    """Options and their values; the last occurrence of an option counts, as in argparse."""
    values: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, _, value = word[2:].partition("=")
            values[name] = [value] if value else []
        elif not word or (word.startswith("-") and not re.fullmatch(r"-[\d.]+(e-?\d+)?", word)):
            name = ""  # the end of an array, or an option of another program
        elif name:
            values[name].extend(part for part in word.split() if part)
    return values


def understood(name: str) -> bool:
    """Whether an option is read, or affects neither memory nor time."""
    return name in SIZES or name in DEGREES or name in LAUNCHER or name.startswith(KNOWN)


class Options:
    """The options given on a command line; `where` is the file named in errors."""

    def __init__(self, given: Mapping[str, list[str]], where: str) -> None:
        self.given, self.where = given, where

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def first(self, name: str) -> str:
        """The first value of an option; empty where it is absent or has none."""
        return (self.given.get(name) or [""])[0]

    def joined(self, name: str) -> str:
        """All values of an option as one text; empty where it is absent."""
        return "".join(self.given.get(name, []))

    def equals(self, name: str, value: str) -> bool:
        """Whether an option has this one value."""
        return self.given.get(name) == [value]

    def integer(self, name: str, least: int = 1) -> int | None:
        """The integer value of an option, None where it is absent or an unset variable; FileError for any other value."""
        value = self.first(name)
        if not value or "$" in value:
            return None
        if not re.fullmatch(r"[0-9]{1,12}", value):
            raise FileError(f"option --{name} must be a whole number, not {quoted(value)}", where=self.where)
        if int(value) < least:
            raise FileError(f"option --{name} must be at least {least}, not {value}", where=self.where)
        return int(value)
