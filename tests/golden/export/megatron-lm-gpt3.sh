#!/usr/bin/env bash
# gpt3-175b on 16 GPUs, for Megatron-LM d98e8a64dd (2026-08-22)
# Note: the plan does not specify the MLP activation: GELU is written, change it if the model has another
# Note: dropout is written as 0.1, the rate of GPT-3
# Note: flash-3 is written as the fused attention backend (cuDNN)
# Note: overlap of tensor-parallel communication (tp_comm_overlap) is off: turn it on and measure
set -euo pipefail

# ---- settings: here or in the environment; arguments of the script are passed to Megatron-LM last and take precedence ----
MEGATRON="${MEGATRON:-.}"  # folder of Megatron-LM
DATA_PATH="${DATA_PATH:-}"  # prefix of the tokenized data; empty: random tokens
TOKENIZER_TYPE="${TOKENIZER_TYPE:-NullTokenizer}"
TOKENIZER_MODEL="${TOKENIZER_MODEL:-}"
CHECKPOINTS="${CHECKPOINTS:-}"  # folder; empty: no checkpoints
TRAIN_ITERS="${TRAIN_ITERS:-1000}"
LR="${LR:-3e-4}"
MIN_LR="${MIN_LR:-3e-5}"
NODE_RANK="${NODE_RANK:-0}"  # 0 on the node of MASTER_ADDR
MASTER_ADDR="${MASTER_ADDR:-127.0.0.1}"
MASTER_PORT="${MASTER_PORT:-29500}"

# ---- the plan: change it in tmplan ----
export CUDA_DEVICE_MAX_CONNECTIONS=1
MODEL=(
    --num-layers 96
    --hidden-size 12288
    --ffn-hidden-size 49152
    --num-attention-heads 96
    --kv-channels 128
    --normalization LayerNorm
    --position-embedding-type learned_absolute
    --max-position-embeddings 2048
    --vocab-size 50304
    --make-vocab-size-divisible-by 128
    --hidden-dropout 0.1
    --attention-dropout 0.1
)
PARALLEL=(
    --tensor-model-parallel-size 2
    --sequence-parallel
    --pipeline-model-parallel-size 2
    --context-parallel-size 1
    --expert-model-parallel-size 1
    --expert-tensor-parallel-size 1
    --use-distributed-optimizer
    --overlap-grad-reduce
    --overlap-param-gather
)
TRAINING=(
    --micro-batch-size 1
    --global-batch-size 64
    --seq-length 2048
    --recompute-granularity selective
    --recompute-modules core_attn
    --bf16
    --accumulate-allreduce-grads-in-fp32
    --optimizer adam
    --use-precision-aware-optimizer
    --exp-avg-dtype fp32
    --exp-avg-sq-dtype fp32
    --optimizer-cpu-offload
    --optimizer-offload-fraction 1
    --attention-backend fused
    --ckpt-format torch_dist
)

DATA=(--tokenizer-type "$TOKENIZER_TYPE")
if [[ -n "$TOKENIZER_MODEL" ]]; then DATA+=(--tokenizer-model "$TOKENIZER_MODEL"); fi
if [[ -n "$DATA_PATH" ]]; then DATA+=(--data-path "$DATA_PATH" --split 99,1,0); else DATA+=(--mock-data); fi
if [[ -n "$CHECKPOINTS" ]]; then DATA+=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval 1000); fi

exec torchrun --nnodes 2 --nproc-per-node 8 \
    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \
    "$MEGATRON/pretrain_gpt.py" \
    "${MODEL[@]}" \
    "${PARALLEL[@]}" \
    "${TRAINING[@]}" \
    --train-iters "$TRAIN_ITERS" --lr "$LR" --min-lr "$MIN_LR" --lr-decay-style cosine \
    --eval-interval 1000 --eval-iters 10 --log-interval 1 --log-throughput \
    "${DATA[@]}" "$@"
