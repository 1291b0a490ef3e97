"""The options that the Megatron targets write, with type and choices.

Transcribed from Megatron-LM d98e8a64dd (2026-08-22): the parser of megatron/training/arguments.py, its groups, and the dataclasses of
megatron/core and megatron/training/config from which it generates options. An option missing here was not read, and is not written.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = "d98e8a64dd (2026-08-22)"


class Key(NamedTuple):
    """The value of an option: flag (none), int, float, str, pattern (a list of layers in Megatron's notation), or one of some choices."""

    kind: str
    choices: tuple[str, ...] = ()
    several: bool = False  # accepts several values


_FLAGS = """
--sequence-parallel --use-distributed-optimizer --use-megatron-fsdp --overlap-grad-reduce --overlap-param-gather
--no-gradient-accumulation-fusion --overlap-moe-expert-parallel-comm --bf16 --fp16 --accumulate-allreduce-grads-in-fp32
--grad-reduce-in-bf16 --use-precision-aware-optimizer --optimizer-cpu-offload --swiglu --disable-bias-linear --add-qkv-bias --qk-layernorm
--untie-embeddings-and-output-weights --group-query-attention --multi-latent-attention --no-rope-fusion --no-masked-softmax-fusion
--moe-grouped-gemm --moe-shared-expert-gate --moe-router-pre-softmax --moe-pad-expert-input-to-capacity
--moe-router-padding-for-quantization --mock-data --log-throughput --fp8-param-gather --cross-entropy-loss-fusion
--no-bias-swiglu-fusion --no-bias-gelu-fusion --no-bias-dropout-fusion --te-rng-tracker --tp-comm-overlap
"""
_INTS = """
--tensor-model-parallel-size --pipeline-model-parallel-size --context-parallel-size --expert-model-parallel-size
--expert-tensor-parallel-size --num-virtual-stages-per-pipeline-rank --num-distributed-optimizer-instances
--micro-batch-size --global-batch-size --seq-length --max-position-embeddings --num-layers --hidden-size --ffn-hidden-size
--num-attention-heads --num-query-groups --kv-channels --vocab-size --make-vocab-size-divisible-by --rotary-base
--num-experts --moe-router-topk --moe-ffn-hidden-size --moe-shared-expert-intermediate-size --moe-router-num-groups
--moe-router-group-topk --q-lora-rank --kv-lora-rank --qk-head-dim --qk-pos-emb-head-dim --v-head-dim --mtp-num-layers
--recompute-num-layers --cpu-offloading-num-layers --train-iters --eval-iters --eval-interval --log-interval --save-interval
"""
_FLOATS = "--hidden-dropout --attention-dropout --moe-expert-capacity-factor --optimizer-offload-fraction --sgd-momentum --lr --min-lr"
_STRINGS = "--pipeline-model-parallel-layout --tokenizer-model --split --save --load"
_PATTERNS = "--moe-layer-freq --window-attn-skip-freq --window-size"

KEYS: dict[str, Key] = {
    **{name: Key("flag") for name in _FLAGS.split()},
    **{name: Key("int") for name in _INTS.split()},
    **{name: Key("float") for name in _FLOATS.split()},
    **{name: Key("str") for name in _STRINGS.split()},
    **{name: Key("pattern") for name in _PATTERNS.split()},
    "--data-path": Key("str", several=True),
    "--recompute-modules": Key("str", several=True),
    "--cuda-graph-impl": Key("str", ("none", "local", "transformer_engine")),
    "--cuda-graph-scope": Key("str", several=True),
    "--cp-comm-type": Key("str", several=True),
    "--normalization": Key("str", ("LayerNorm", "RMSNorm")),
    "--position-embedding-type": Key("str", ("learned_absolute", "rope", "yarn", "mrope", "relative", "none")),
    "--rope-type": Key("str", ("rope", "yarn")),
    "--softmax-type": Key("str", ("vanilla", "off-by-one", "learnable")),
    "--attention-backend": Key("str", ("flash", "fused", "unfused", "local", "auto")),
    "--flash-attention-version": Key("int", ("2", "3", "4")),
    "--moe-token-dispatcher-type": Key("str", ("allgather", "alltoall", "flex")),
    "--moe-flex-dispatcher-backend": Key("str", ("deepep", "hybridep", "ncclep")),
    "--moe-router-dtype": Key("str", ("fp32", "fp64")),
    "--recompute-granularity": Key("str", ("full", "selective")),
    "--recompute-method": Key("str", ("uniform", "block")),
    "--optimizer": Key("str", ("adam", "sgd", "muon", "dist_muon", "lion", "soap", "adaptive_muon")),
    "--main-grads-dtype": Key("str", ("fp32", "bf16")),
    "--exp-avg-dtype": Key("str", ("fp32", "fp16", "bf16", "fp8")),
    "--exp-avg-sq-dtype": Key("str", ("fp32", "fp16", "bf16", "fp8")),
    "--megatron-fsdp-main-grads-dtype": Key("str", ("fp32", "bf16", "fp16", "auto")),
    "--megatron-fsdp-grad-comm-dtype": Key("str", ("fp32", "fp16", "bf16", "auto")),
    "--data-parallel-sharding-strategy": Key("str", ("no_shard", "optim", "optim_grads", "optim_grads_params")),
    "--outer-dp-sharding-strategy": Key("str", ("no_shard", "optim")),
    "--fp8-format": Key("str", ("e4m3", "hybrid")),
    "--fp8-recipe": Key("str", ("tensorwise", "delayed", "mxfp8", "blockwise", "custom")),
    "--fp4-format": Key("str", ("e2m1",)),
    "--fp4-recipe": Key("str", ("nvfp4", "custom")),
    "--ckpt-format": Key("str", ("torch", "torch_dist", "torch_dcp", "fsdp_dtensor")),
    "--lr-decay-style": Key("str", ("constant", "linear", "cosine", "inverse-square-root", "WSD")),
    "--tokenizer-type": Key("str", (
        "BertWordPieceLowerCase", "BertWordPieceCase", "GPT2BPETokenizer", "SentencePieceTokenizer", "GPTSentencePieceTokenizer",
        "HuggingFaceTokenizer", "Llama2Tokenizer", "TikTokenizer", "MultimodalTokenizer", "NullTokenizer", "NullMultimodalTokenizer",
        "SFTTokenizer",
    )),
}  # fmt: skip
