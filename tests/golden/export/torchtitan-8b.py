# torchtitan 0.3.0 (0.3): --module train --config tmplan; 0.2.x takes train.toml
# a plan of the tests
# data set, tokenizer, learning rate and number of steps are torchtitan's defaults: set your own
# layers of each pipeline rank: 16, 16
# 0.2.2 computes the loss from whole logits: more memory than planned; 0.3.0 in chunks

from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import default_adamw
from torchtitan.config import ParallelismConfig, TrainingConfig
from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.models.llama3 import model_registry
from torchtitan.trainer import Trainer


def tmplan() -> Trainer.Config:
    model_spec = model_registry("8B")
    return Trainer.Config(
        model_spec=model_spec,
        loss=ChunkedLossWrapper.Config(loss_fn=CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(model_spec))),
        optimizer=default_adamw(),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4_test"),
        training=TrainingConfig(
            local_batch_size=16,
            global_batch_size=64,
            seq_len=4096,
            enable_cpu_offload=False,
            disable_cuda_graphs=True,
            dtype="float32",
            mixed_precision_param="bfloat16",
            mixed_precision_reduce="float32",
        ),
        parallelism=ParallelismConfig(
            data_parallel_replicate_degree=1,
            data_parallel_shard_degree=4,
            fsdp_reshard_after_forward="always",
            tensor_parallel_degree=2,
            context_parallel_degree=1,
            pipeline_parallel_degree=2,
            expert_parallel_degree=1,
            pipeline_parallel_schedule="1F1B",
            pipeline_parallel_microbatch_size=1,
            pipeline_parallel_first_stage_less_layers=1,
            pipeline_parallel_last_stage_less_layers=1,
            pipeline_parallel_layers_per_stage=17,
            enable_sequence_parallel=True,
        ),
        activation_checkpoint=None,
    )
