"""The keys of accelerate 1.15 and of transformers 5.24's Trainer that an export may write, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping

from planner.exporters._keys import Key

CONFIG = "accelerate/commands/config/config_args.py"
LAUNCH = "accelerate/commands/launch.py"
LIGER = "liger_kernel/transformers/monkey_patch.py"
TRAINER = "transformers/training_args.py"

KEYS: Mapping[str, Key] = {
    "compute_environment": Key(str, CONFIG, ("LOCAL_MACHINE",)),
    "distributed_type": Key(str, CONFIG, ("NO", "MULTI_GPU", "FSDP")),
    "mixed_precision": Key(str, CONFIG, ("bf16", "fp16")),
    "num_machines": Key(int, CONFIG),
    "num_processes": Key(int, CONFIG),
    "machine_rank": Key(int, CONFIG),
    "main_training_function": Key(str, CONFIG, ("main",)),
    "use_cpu": Key(bool, CONFIG, (False,)),
    "fsdp_config.fsdp_version": Key(int, LAUNCH, (2,)),
    "fsdp_config.fsdp_reshard_after_forward": Key(bool, LAUNCH),
    "fsdp_config.fsdp_offload_params": Key(bool, LAUNCH),
    "fsdp_config.fsdp_activation_checkpointing": Key(bool, LAUNCH),
    "fsdp_config.fsdp_auto_wrap_policy": Key(str, LAUNCH, ("TRANSFORMER_BASED_WRAP",)),
    "fsdp_config.fsdp_cpu_ram_efficient_loading": Key(bool, LAUNCH),
    "fsdp_config.fsdp_state_dict_type": Key(str, LAUNCH, ("SHARDED_STATE_DICT",)),
    "parallelism_config.parallelism_config_dp_replicate_size": Key(int, LAUNCH),
    "parallelism_config.parallelism_config_dp_shard_size": Key(int, LAUNCH),
    "parallelism_config.parallelism_config_tp_size": Key(int, LAUNCH),
    "parallelism_config.parallelism_config_cp_size": Key(int, LAUNCH),
    "parallelism_config.parallelism_config_cp_comm_strategy": Key(str, LAUNCH, ("allgather", "alltoall")),
}

TRAINER_KEYS: Mapping[str, Key] = {
    "per_device_train_batch_size": Key(int, TRAINER),
    "gradient_accumulation_steps": Key(int, TRAINER),
    "bf16": Key(bool, TRAINER),
    "fp16": Key(bool, TRAINER),
    "optim": Key(
        str, TRAINER, ("adamw_torch_fused", "adamw_torch", "adamw_torch_8bit", "paged_adamw_8bit", "adafactor", "lion_32bit", "sgd")
    ),
    "use_liger_kernel": Key(bool, TRAINER, (True,)),
    "liger_kernel_config.rope": Key(bool, LIGER),
    "liger_kernel_config.rms_norm": Key(bool, LIGER),
    "liger_kernel_config.swiglu": Key(bool, LIGER),
    "liger_kernel_config.cross_entropy": Key(bool, LIGER),
    "liger_kernel_config.fused_linear_cross_entropy": Key(bool, LIGER),
    "torch_compile": Key(bool, TRAINER, (True,)),
    "gradient_checkpointing": Key(bool, TRAINER, (True,)),
    "fsdp": Key(bool, TRAINER, (True,)),
    "fsdp_config.version": Key(int, TRAINER, (2,)),
    "fsdp_config.reshard_after_forward": Key(bool, TRAINER),
    "fsdp_config.cpu_offload": Key(bool, TRAINER),
    "fsdp_config.activation_checkpointing": Key(bool, TRAINER),
    "fsdp_config.auto_wrap_policy": Key(str, TRAINER, ("TRANSFORMER_BASED_WRAP",)),
    "fsdp_config.cpu_ram_efficient_loading": Key(bool, TRAINER),
    "fsdp_config.state_dict_type": Key(str, TRAINER, ("SHARDED_STATE_DICT",)),
}
