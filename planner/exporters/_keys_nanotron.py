"""The keys of a nanotron configuration file that an export may write."""

from __future__ import annotations

from collections.abc import Mapping

from planner.exporters._keys import Key, keys

OPTIMIZER = "optimizer.optimizer_factory."
RATE = "optimizer.learning_rate_scheduler."
MODEL = "model.model_config."
KEYS: Mapping[str, Key] = (
    keys(int, "parallelism.dp", "parallelism.tp", "parallelism.pp", "parallelism.context_parallel_size", "parallelism.expert_parallel_size")
    | keys(bool, "parallelism.recompute_layer", "parallelism.tp_linear_async_communication", "parallelism.tp_recompute_allgather")
    | keys(int, "tokens.sequence_length", "tokens.train_steps", "tokens.micro_batch_size", "tokens.batch_accumulation_per_replica")
    | keys(int, "optimizer.zero_stage")
    | keys(float, "optimizer.weight_decay", "optimizer.clip_grad", f"{OPTIMIZER}adam_eps", f"{OPTIMIZER}adam_beta1")
    | keys(float, f"{OPTIMIZER}adam_beta2", f"{RATE}learning_rate", "model.init_method.std")
    | keys(bool, "optimizer.accumulate_grad_in_fp32", f"{OPTIMIZER}torch_adam_is_fused", f"{MODEL}tie_word_embeddings")
    | keys(int, f"{RATE}lr_warmup_steps", f"{MODEL}hidden_size", f"{MODEL}intermediate_size", f"{MODEL}max_position_embeddings")
    | keys(int, f"{MODEL}num_attention_heads", f"{MODEL}num_hidden_layers", f"{MODEL}num_key_value_heads", f"{MODEL}vocab_size")
    | keys(bool, f"{MODEL}is_llama_config", f"{MODEL}is_qwen2_config", f"{MODEL}attention_bias")
    | keys(int, "model.make_vocab_size_divisible_by", "general.seed", "checkpoints.checkpoint_interval")
    | keys(str, "general.project", "checkpoints.checkpoints_path")
    | keys(list, "data_stages")
    | {
        "parallelism.pp_engine": Key(str, choices=("1f1b", "afab")),
        "parallelism.tp_mode": Key(str, choices=("ALL_REDUCE", "REDUCE_SCATTER")),
        "model.dtype": Key(str, choices=("bfloat16", "float16", "float32")),
        f"{MODEL}hidden_act": Key(str, choices=("silu",)),
        f"{MODEL}_attn_implementation": Key(str, choices=("flash_attention_2", "sdpa")),
        f"{OPTIMIZER}name": Key(str, choices=("adamW", "sgd")),
        f"{RATE}lr_warmup_style": Key(str, choices=("linear", "constant")),
        f"{RATE}lr_decay_style": Key(str, choices=("linear", "cosine", "1-sqrt")),
    }
)
