#!/usr/bin/env bash
# llama-3.1-405b on 16,384 GPUs, for Megatron-LM d98e8a64dd (2026-08-22)
# a plan of the tests
# Note: the plan does not specify the MLP activation: SwiGLU is written, change it if the model has another
# Note: the plan does not specify base and scaling of rotary positions: set them
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
ROTARY_BASE="${ROTARY_BASE:-10000}"  # base of rotary positions; Llama 3: 500000

# ---- the plan: change it in tmplan ----
export CUDA_DEVICE_MAX_CONNECTIONS=1
MODEL=(
    --num-layers 126
    --hidden-size 16384
    --ffn-hidden-size 53248
    --num-attention-heads 128
    --kv-channels 128
    --group-query-attention
    --num-query-groups 8
    --swiglu
    --normalization RMSNorm
    --disable-bias-linear
    --position-embedding-type rope
    --max-position-embeddings 131072
    --untie-embeddings-and-output-weights
    --vocab-size 128256
    --make-vocab-size-divisible-by 128
    --hidden-dropout 0
    --attention-dropout 0
)
PARALLEL=(
    --tensor-model-parallel-size 8
    --sequence-parallel
    --pipeline-model-parallel-size 8
    --pipeline-model-parallel-layout 'E|(t|)*126L'
    --context-parallel-size 2
    --cp-comm-type p2p
    --expert-model-parallel-size 1
    --expert-tensor-parallel-size 1
    --use-distributed-optimizer
    --overlap-grad-reduce
    --overlap-param-gather
)
TRAINING=(
    --micro-batch-size 1
    --global-batch-size 2048
    --seq-length 8192
    --bf16
    --accumulate-allreduce-grads-in-fp32
    --optimizer adam
    --attention-backend fused
    --ckpt-format torch_dist
)

DATA=(--tokenizer-type "$TOKENIZER_TYPE")
if [[ -n "$TOKENIZER_MODEL" ]]; then DATA+=(--tokenizer-model "$TOKENIZER_MODEL"); fi
if [[ -n "$DATA_PATH" ]]; then DATA+=(--data-path "$DATA_PATH" --split 99,1,0); else DATA+=(--mock-data); fi
if [[ -n "$CHECKPOINTS" ]]; then DATA+=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval 1000); fi
DATA+=(--rotary-base "$ROTARY_BASE")

exec torchrun --nnodes 2048 --nproc-per-node 8 \
    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port "$MASTER_PORT" \
    "$MEGATRON/pretrain_gpt.py" \
    "${MODEL[@]}" \
    "${PARALLEL[@]}" \
    "${TRAINING[@]}" \
    --train-iters "$TRAIN_ITERS" --lr "$LR" --min-lr "$MIN_LR" --lr-decay-style cosine \
    --eval-interval 1000 --eval-iters 10 --log-interval 1 --log-throughput \
    "${DATA[@]}" "$@"
