"""The keys of axolotl 0.19 that an export may write, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping

from planner.exporters._keys import Key

CONFIG = "axolotl/utils/schemas/config.py"
MODEL = "axolotl/utils/schemas/model.py"
TRAINING = "axolotl/utils/schemas/training.py"
FSDP = "axolotl/utils/schemas/fsdp.py"
PEFT = "axolotl/utils/schemas/peft.py"
LIGER = "axolotl/integrations/liger/args.py"
EXPERT = "axolotl/integrations/expert_parallel/args.py"
ATTENTIONS = ("flash_attention_2", "flash_attention_3", "eager")

KEYS: Mapping[str, Key] = {
    "base_model": Key(str, MODEL),
    "datasets": Key(list, CONFIG),
    "output_dir": Key(str, TRAINING),
    "sequence_len": Key(int, CONFIG),
    "pad_to_sequence_len": Key(bool, CONFIG, (True,)),
    "sample_packing": Key(bool, CONFIG, (False,)),
    "attn_implementation": Key(str, CONFIG, ATTENTIONS),
    "micro_batch_size": Key(int, TRAINING),
    "gradient_accumulation_steps": Key(int, TRAINING),
    "learning_rate": Key(float, TRAINING),
    "optimizer": Key(
        str, TRAINING, ("adamw_torch_fused", "adamw_torch", "adamw_torch_8bit", "paged_adamw_8bit", "adafactor", "lion_32bit", "sgd")
    ),
    "liger_rope": Key(bool, LIGER),
    "liger_rms_norm": Key(bool, LIGER),
    "liger_glu_activation": Key(bool, LIGER),
    "liger_cross_entropy": Key(bool, LIGER),
    "liger_fused_linear_cross_entropy": Key(bool, LIGER),
    "chunked_cross_entropy": Key(bool, CONFIG, (True,)),
    "activation_offloading": Key(str, CONFIG, ("hidden_states",)),
    "bf16": Key(bool, CONFIG),
    "fp16": Key(bool, CONFIG),
    "fp8": Key(bool, CONFIG, (True,)),
    "torch_compile": Key(bool, CONFIG, (True,)),
    "gradient_checkpointing": Key(bool, CONFIG),
    "adapter": Key(str, PEFT, ("lora", "qlora")),
    "lora_r": Key(int, PEFT),
    "lora_alpha": Key(int, PEFT),
    "lora_target_linear": Key(bool, PEFT, (True,)),
    "lora_target_modules": Key(list, PEFT),
    "load_in_4bit": Key(bool, PEFT, (True,)),
    "plugins": Key(list, CONFIG),
    "tensor_parallel_size": Key(int, CONFIG),
    "context_parallel_size": Key(int, CONFIG),
    "dp_shard_size": Key(int, CONFIG),
    "dp_replicate_size": Key(int, CONFIG),
    "expert_parallel_size": Key(int, EXPERT),
    "expert_parallel_fallback_on_unsupported": Key(bool, EXPERT, (False,)),
    "fsdp_version": Key(int, CONFIG, (2,)),
    "fsdp_config.reshard_after_forward": Key(bool, FSDP),
    "fsdp_config.offload_params": Key(bool, FSDP),
    "fsdp_config.activation_checkpointing": Key(bool, FSDP),
    "fsdp_config.auto_wrap_policy": Key(str, FSDP, ("TRANSFORMER_BASED_WRAP",)),
    "fsdp_config.cpu_ram_efficient_loading": Key(bool, FSDP),
    "fsdp_config.state_dict_type": Key(str, FSDP, ("SHARDED_STATE_DICT",)),
}
