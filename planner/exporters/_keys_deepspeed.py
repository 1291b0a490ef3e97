"""The keys of DeepSpeed 0.19 that an export may write, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping

from planner.exporters._keys import Key

CONFIG = "deepspeed/runtime/config.py"
ZERO = "deepspeed/runtime/zero/config.py"
OFFLOAD = "deepspeed/runtime/zero/offload_config.py"
PRECISION = "deepspeed/runtime/precision_config.py"
CHECKPOINTING = "deepspeed/runtime/activation_checkpointing/config.py"
TENSOR = "deepspeed/runtime/tensor_parallel/config.py"
EXPERT = "deepspeed/module_inject/auto_ep_config.py"

KEYS: Mapping[str, Key] = {
    "train_batch_size": Key(int, CONFIG),
    "train_micro_batch_size_per_gpu": Key(int, CONFIG),
    "gradient_accumulation_steps": Key(int, CONFIG),
    "gradient_clipping": Key(float, CONFIG),
    "zero_allow_untested_optimizer": Key(bool, CONFIG, (True,)),
    "optimizer.type": Key(str, CONFIG, ("AdamW", "Lion", "SGD", "Muon")),
    "communication_data_type": Key(str, CONFIG, ("fp32", "bf16", "fp16")),
    "torch_autocast.enabled": Key(bool, CONFIG, (True,)),
    "torch_autocast.dtype": Key(str, CONFIG, ("bfloat16", "float16")),
    "bf16.bf16_master_weights_and_grads": Key(bool, PRECISION, (True,)),
    "bf16.bf16_optimizer_states": Key(bool, PRECISION),
    "optimizer.params.lr": Key(float, "torch.optim"),
    "optimizer.params.momentum": Key(float, "torch.optim"),
    "bf16.enabled": Key(bool, PRECISION, (True,)),
    "fp16.enabled": Key(bool, PRECISION, (True,)),
    "data_types.grad_accum_dtype": Key(str, CONFIG, ("fp32", "bf16", "fp16")),
    "zero_optimization.stage": Key(int, ZERO, (0, 1, 2, 3)),
    "zero_optimization.overlap_comm": Key(bool, ZERO),
    "zero_optimization.zero_hpz_partition_size": Key(int, ZERO),
    "zero_optimization.offload_optimizer.device": Key(str, OFFLOAD, ("cpu", "nvme")),
    "zero_optimization.offload_optimizer.nvme_path": Key(str, OFFLOAD),
    "zero_optimization.offload_param.device": Key(str, OFFLOAD, ("cpu",)),
    "zero_optimization.offload_param.pin_memory": Key(bool, OFFLOAD),
    "zero_optimization.offload_optimizer.pin_memory": Key(bool, OFFLOAD),
    "activation_checkpointing.partition_activations": Key(bool, CHECKPOINTING),
    "activation_checkpointing.cpu_checkpointing": Key(bool, CHECKPOINTING),
    "tensor_parallel.autotp_size": Key(int, TENSOR),
    "expert_parallel.enabled": Key(bool, EXPERT, (True,)),
    "expert_parallel.autoep_size": Key(int, EXPERT),
    "expert_parallel.expert_tensor_parallel_size": Key(int, EXPERT, (1,)),
}
