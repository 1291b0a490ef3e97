"""The columns of a runs file: the meaning of each, and the value assumed for a blank. docs/runs.md has the same (tested)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planner.plaintext import named


@dataclass(frozen=True)
class RunColumn:
    """One column of a runs file. `blank`: the value assumed if it is blank or absent; empty: the column is required."""

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
    RunColumn("gpus", "total GPUs: tp x pp x cp x dp"),
    RunColumn("global_batch", "sequences per step"),
    RunColumn("framework", "stack preset (`tmplan stacks`), or another name of the framework", "megatron-core"),
    RunColumn("stack", "stack preset or a TOML file, where the framework's name does not determine it", "by `framework`"),
    RunColumn("model", "name of the model; only `w/ MTP` and `w/o MTP` in it have an effect", "model"),
    RunColumn("kv_heads", "key and value heads", "heads"),
    RunColumn("head_dim", "width of one head", "hidden / heads"),
    RunColumn("ffn", "middle width of the MLP", "4 x hidden"),
    RunColumn("gated", "1: SwiGLU or GeGLU, RMSNorm, rotary positions, no biases; 0: as in GPT-2", "1"),
    RunColumn("vocab", "tokens in the vocabulary", "50,257"),
    RunColumn("tied", "1: the head shares the embedding", "0 if gated, else 1"),
    RunColumn("experts", "routed experts of a sparse layer; 0: dense", "0"),
    RunColumn("topk", "active routed experts per token", "that of a preset with the same sizes, else 2"),
    RunColumn("expert_ffn", "middle width of one routed expert", "that of a preset with the same sizes, else ffn"),
    RunColumn("shared_experts", "number of shared experts, or `ffn 1024`: their total width",
              "that of a preset with the same sizes, else 0"),
    RunColumn("gpus_per_node", "GPUs in one node", "8"),
    RunColumn("interconnect",
              "the network as text, `8 x 400 Gb/s HDR per node`: read where `nic_gbit_s` is blank; `no NVLink`: PCIe in a node",
              "the GPU preset's network"),
    RunColumn("nic_gbit_s", "network of one GPU in one direction, Gb/s", "that of `interconnect`"),
    RunColumn("tp", "tensor parallel degree", "1"),
    RunColumn("pp", "pipeline parallel degree", "1"),
    RunColumn("cp", "context parallel degree", "1"),
    RunColumn("dp", "data parallel degree; one that contradicts the others counts as blank", "gpus / (tp x pp x cp)"),
    RunColumn("ep", "expert parallel degree; ep x etp divides tp x cp x dp", "1"),
    RunColumn("etp", "tensor parallel degree of one expert", "the usual choice with the stack: 1 or tp"),
    RunColumn("vpp", "virtual pipeline stages per rank; 1: not interleaved", "the usual choice with the stack"),
    RunColumn("zero", "0 none, 1 optimizer sharded, 2 gradients too, 3 parameters too (FSDP)", "the usual choice with the stack"),
    RunColumn("sequence_parallel", "1 or 0", "the usual choice with the stack"),
    RunColumn("micro_batch", "sequences in a micro-batch", "the fastest of 1, 2, 4, 8 and 16 that fits"),
    RunColumn("recompute", "none, selective or full", "the usual choice with the stack, more if that does not fit"),
    RunColumn("schedule", "1f1b, 1f1b-interleaved, zb-1p, zb-2p, zb-v or dualpipev", "1f1b"),
    RunColumn("dtype", "bf16, fp16, fp8, fp4, tf32 or fp32", "bf16"),
    RunColumn("attention", "flash-1, flash-2, flash-3, flash (version unknown), fused-softmax or unfused", "the stack's"),
    RunColumn("cuda_graphs", "none, or what runs in CUDA graphs: router, attention and router, layers, full", "none"),
    RunColumn("tp_overlap", "1: all products hide tensor-parallel communication (user buffers, torch's async TP)", "the stack's"),
    RunColumn("moe_dispatcher", "alltoall, deepep or hybridep: whether a token is sent to a node once", "the stack's"),
    RunColumn("moe_overlap", "1: the all-to-all of experts overlaps another micro-batch", "0"),
    RunColumn("moe_balanced", "1: routing is forced to be even; 0: the fullest rank has 1.1 times the mean", "1"),
    RunColumn("capacity_factor", "capacity of an expert over its even share; tokens beyond it are dropped", "dropless"),
    RunColumn("pp_layout", "Megatron's layout of a pipeline, such as `Et*3\\|(tt\\|)*6mL`: layers of each virtual stage", "the stack's"),
    RunColumn("mtp_layers", "layers of multi-token prediction that are trained", "by `pp_layout`, else see below"),
    RunColumn("fsdp_kind", "megatron-fsdp: parameters are sharded where `zero` is blank", "by `zero`"),
    RunColumn("released", "year and month of the software, 2026-05: its stack is that of then", "by the framework"),
    RunColumn("finetune", "lora or qlora: adapters are trained; other values have no effect", "all weights are trained"),
    RunColumn("quantization", "nf4 or gptq-int4: frozen weights are stored in 4 bits, with adapters", "by `finetune`"),
    RunColumn("lora_rank", "rank of the adapters", "16"),
    RunColumn("lora_targets", "adapted matrices, `q,k,v,o`, `query,value`, `all linear`: the nearest set that has all of them",
              "queries and values"),
    RunColumn("fp8_recipe", "delayed, current (tensorwise), rowwise, blockwise (subchannel), mxfp8 or nvfp4; the precision if `dtype` is "
              "blank", "the stack's, for the GPU"),
    RunColumn("fp8_parameters", "1: weights are stored in 8 bits", "0"),
    RunColumn("optimizer", "adamw, adamw-8bit, adamw-8bit-paged, adafactor, lion, sgd, sgd-plain, muon or muon-sharded", "adamw"),
    RunColumn("master_bytes", "bytes per weight of the master copy: 4, 2 (the bits that bf16 rounds off) or 0", "the stack's"),
    RunColumn("moment_bytes", "bytes per value of an optimizer state; 1: 8-bit AdamW", "the optimizer's"),
    RunColumn("gradient_bytes", "bytes per stored gradient", "the stack's"),
    RunColumn("reduce_bytes", "bytes per gradient in communication", "the stack's, at most `gradient_bytes`"),
    RunColumn("autocast", "1: weights and residual stream in fp32, products in 16 bits", "the stack's"),
    RunColumn("foreach", "1: the optimizer step works on lists of tensors, with temporaries", "the stack's"),
    RunColumn("optimizer_in_backward", "1: each gradient is applied and freed in the backward pass", "0"),
    RunColumn("expandable_segments", "1: expandable segments of the caching allocator", "0"),
    RunColumn("recompute_modules", "modules that selective recomputation repeats, `mla_up_proj+mlp`", "the stack's"),
    RunColumn("offload", "what is in host memory: optimizer, parameters, activations of N layers, checkpoints, nvme", NONE),
    RunColumn("loss_kernel", "plain, fused, chunked or fused-linear cross-entropy", "the stack's"),
    RunColumn("kernels", "element-wise operations: eager, fused or compiled", "the stack's"),
    RunColumn("nccl_all_reduce_gb_s", "bus bandwidth of an all-reduce over all ranks, measured in that job", "from the network's rate"),
    RunColumn("nccl_all_gather_gb_s", "the same for an all-gather", "that of the all-reduce"),
    RunColumn("nccl_reduce_scatter_gb_s", "the same for a reduce-scatter", "that of the all-gather"),
    RunColumn("settings_trust", "exact; `text`, `layout-differs` or `guess`: listed as assumed, and not used for error bands", "exact"),
    RunColumn("note", "other information as text; some phrases are understood, see below", NONE),
)  # fmt: skip
# Measurements and the keys `tmplan validate` groups by; predictions do not use them.
MEASURED: tuple[RunColumn, ...] = (
    RunColumn("id", "name of the row", "its line number"),
    RunColumn("group", "source of the row; figures are computed per source", NONE),
    RunColumn("sweep", "the sweep of layouts of one model, cluster and batch that the row belongs to", NONE),
    RunColumn("step_s", "step time in seconds", "not measured"),
    RunColumn("peak_mem_gib", "GiB on the fullest GPU, or on `mem_rank`", "not measured"),
    RunColumn("mem_kind", "allocated, reserved or device", "not scored"),
    RunColumn("mem_rank", "first or last pipeline stage, or max", "max"),
    RunColumn("oom", "1: it ran out of memory", "unknown"),
    RunColumn("quality_speed", "A: all relevant inputs are known, so its sweep ranks layouts", "not ranked"),
)
NEEDED = tuple(column.key for column in COLUMNS if not column.blank)


REPORTED = 8  # misspelt columns reported individually
LONGEST = 64  # characters; longer names are not compared


def misspelt(columns: Iterable[str]) -> Iterator[str]:
    """A warning for each of the first REPORTED unknown columns that resemble an absent known column, and the number of the others."""
    present = dict.fromkeys(columns)
    known = {column.key: None for column in (*COLUMNS, *MEASURED)}
    absent = [key for key in known if key not in present]
    unknown = (name for name in present if name not in known and len(name) <= LONGEST)
    misspellings = [(name, near[0]) for name in unknown if (near := difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.75))]
    for name, like in misspellings[:REPORTED]:
        yield f"column '{named(name)}' is not read; did you mean '{like}'?"
    if more := len(misspellings[REPORTED:]):
        yield f"{more:,} other column{'s' * (more > 1)} that look{'s' * (more == 1)} misspelt {'is' if more == 1 else 'are'} not read"
