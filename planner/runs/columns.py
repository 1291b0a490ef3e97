"""The columns of a runs file: what each means, and what a blank is taken for. docs/runs.md holds the same table; a test says so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planner.plaintext import named


@dataclass(frozen=True)
class RunColumn:
    """One column that a prediction reads. `blank`: what is taken where it is blank or absent; empty: it may not be."""

    key: str
    meaning: str
    blank: str = ""


NONE = "none"
COLUMNS: tuple[RunColumn, ...] = (
    RunColumn("layers", "transformer layers"),
    RunColumn("hidden", "width of the residual stream"),
    RunColumn("heads", "attention heads"),
    RunColumn("seq", "tokens in a sequence"),
    RunColumn("gpu", "GPU preset (`tmplan gpus`) or a TOML file"),
    RunColumn("gpus", "GPUs in all: tp x pp x cp x dp"),
    RunColumn("global_batch", "sequences in a step"),
    RunColumn("framework", "stack preset (`tmplan stacks`), or what ran it in its own words", "megatron-core"),
    RunColumn("model", "name of the model; only `w/ MTP` and `w/o MTP` are read from it", "model"),
    RunColumn("kv_heads", "key and value heads", "as many as heads"),
    RunColumn("head_dim", "width of one head", "hidden / heads"),
    RunColumn("ffn", "middle width of the MLP", "4 x hidden"),
    RunColumn("gated", "1: SwiGLU or GeGLU, RMSNorm, rotary positions, no biases; 0: as GPT-2 has them", "1"),
    RunColumn("vocab", "tokens in the vocabulary", "50,257"),
    RunColumn("tied", "1: the head shares the embedding", "0 if gated, else 1"),
    RunColumn("experts", "routed experts of a sparse layer; 0: dense", "0"),
    RunColumn("topk", "of these, how many a token visits", "a preset's of the same sizes, else 2"),
    RunColumn("expert_ffn", "middle width of one routed expert", "a preset's of the same sizes, else ffn"),
    RunColumn("shared_experts", "how many shared experts, or `ffn 1024`: their width together", "a preset's of the same sizes, else 0"),
    RunColumn("gpus_per_node", "GPUs in one node", "8"),
    RunColumn("interconnect", "the network in words: its Gb/s, per GPU or per node", "the GPU preset's network"),
    RunColumn("tp", "tensor parallel degree", "1"),
    RunColumn("pp", "pipeline parallel degree", "1"),
    RunColumn("cp", "context parallel degree", "1"),
    RunColumn("dp", "data parallel degree; one that contradicts the others counts as blank", "gpus / (tp x pp x cp)"),
    RunColumn("ep", "expert parallel degree; ep x etp divides tp x cp x dp", "1"),
    RunColumn("etp", "tensor parallel degree of one expert", "what the stack's users choose: 1 or tp"),
    RunColumn("vpp", "virtual pipeline stages a rank; 1: not interleaved", "what the stack's users choose"),
    RunColumn("zero", "0 none, 1 optimizer sharded, 2 gradients too, 3 parameters too (FSDP)", "what the stack's users choose"),
    RunColumn("sequence_parallel", "1 or 0", "what the stack's users choose"),
    RunColumn("micro_batch", "sequences in a micro-batch", "of 1, 2, 4, 8 and 16 the fastest that fits"),
    RunColumn("recompute", "none, selective or full", "what the stack's users choose, more where that does not fit"),
    RunColumn("schedule", "1f1b, 1f1b-interleaved, zb-1p, zb-2p, zb-v or dualpipev", "1f1b"),
    RunColumn("dtype", "bf16, fp16, fp8 or fp4", "bf16"),
    RunColumn("attention", "flash-1, flash-2, flash-3, flash (version not told), fused-softmax or unfused", "the stack's"),
    RunColumn("finetune", "lora or qlora: adapters of rank 16 on queries and values; all else changes nothing", "every weight is trained"),
    RunColumn("nccl_all_reduce_gb_s", "bus bandwidth of an all-reduce over all ranks, measured in that job", "from the network's rate"),
    RunColumn("nccl_all_gather_gb_s", "the same of an all-gather", "that of the all-reduce"),
    RunColumn("note", "what else is known, in words; some are understood, see below", NONE),
)  # fmt: skip
# What was measured, and what `tmplan validate` sorts by; a prediction reads none of them.
MEASURED: tuple[RunColumn, ...] = (
    RunColumn("id", "name of the row", "its line number"),
    RunColumn("group", "source of the row; each counts by itself", NONE),
    RunColumn("sweep", "what the row is a layout of, among others of one model, cluster and batch", NONE),
    RunColumn("step_s", "seconds of a step", "not measured"),
    RunColumn("peak_mem_gib", "GiB of the fullest GPU, or of `mem_rank`", "not measured"),
    RunColumn("mem_kind", "allocated, reserved or device", "not judged"),
    RunColumn("mem_rank", "first or last pipeline stage, or max", "max"),
    RunColumn("oom", "1: it ran out of memory", "not told"),
    RunColumn("quality_speed", "A: all that matters is told, so its sweep ranks layouts", "ranks nothing"),
)
NEEDED = tuple(column.key for column in COLUMNS if not column.blank)


SLIPS = 8  # columns told one by one
LONGEST = 64  # characters of a name that is compared


def misspelt(columns: Iterable[str]) -> Iterator[str]:
    """A sentence for every column of a file that nothing reads and that looks like one it lacks: a few of them, the others counted."""
    there = dict.fromkeys(columns)
    known = {column.key: None for column in (*COLUMNS, *MEASURED)}
    absent = [key for key in known if key not in there]
    own = (name for name in there if name not in known and len(name) <= LONGEST)
    slips = [(name, near[0]) for name in own if (near := difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.75))]
    for name, like in slips[:SLIPS]:
        yield f"column '{named(name)}' is not read; did you mean '{like}'?"
    if more := len(slips[SLIPS:]):
        yield f"{more:,} other column{'s' * (more > 1)} that look{'s' * (more == 1)} misspelt {'is' if more == 1 else 'are'} not read"
