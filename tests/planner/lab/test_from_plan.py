"""The task of a stage: its layers and their kinds, the micro-batches that suffice, and what is refused or stood in for."""

from __future__ import annotations

import pytest

from planner.lab.from_plan import stand_ins
from planner.lab.record import LabError
from planner.lab.task import Task
from planner.specs.plan import Plan
from tests.planner.lab.tasks import a_task, job_of

PIPELINE = Plan(pp=4, vpp=2, dp=2, dp_shard=2, zero=1)


def test_a_rank_holds_every_pp_th_virtual_stage() -> None:
    """32 layers on 4 ranks of 2 virtual stages: 4 layers each, and the rank is the first of its stage."""
    task = a_task(1, PIPELINE)
    assert task.layers == ("dddd",) * 8 and task.rank_layers == ("dddd",) * 2
    assert (task.world, task.rank, task.first, task.last) == (8, 2, False, False)
    assert a_task(3, PIPELINE).last and a_task(0, PIPELINE).first


def test_dense_layers_come_first_and_of_the_others_every_second_may_be_sparse() -> None:
    """DeepSeek-V3: three dense layers and 58 sparse ones; Llama 4 Maverick: sparse layers alternate with dense ones."""
    assert a_task(model="deepseek-v3-671b").layers == ("d" * 3 + "s" * 58,)
    assert a_task(model="llama-4-maverick-17b-128e").layers[0].startswith("dsds")
    assert set(a_task(model="mixtral-8x7b").layers[0]) == {"s"}


def test_two_micro_batches_per_stage_suffice() -> None:
    """Of 32 micro-batches of a pipeline of 4 stages, 8 run; of 8 without a pipeline, 2; fewer where the batch has fewer."""
    assert a_task(0, PIPELINE).micro_batches == 8
    assert a_task().micro_batches == 2
    assert a_task(global_batch=8).micro_batches == 1


def test_a_task_travels_as_a_line() -> None:
    """A task is the same after a line of JSON."""
    task = a_task(1, PIPELINE)
    assert Task.loads(task.dumps()) == task and "\n" not in task.dumps()


def test_a_stack_without_a_package_is_refused() -> None:
    """The sentence names the stacks that can run, and a stage that a plan lacks is named with those it has."""
    with pytest.raises(LabError, match="has no package that runs on a CPU; verify runs plans of the stacks megatron-core"):
        a_task(stack="maxtext")
    with pytest.raises(LabError, match="the plan has stages 0 to 3, not 4"):
        a_task(4, PIPELINE)


def test_a_layout_places_the_layers_of_a_task() -> None:
    """Virtual stages hold the layers of the layout; one with multi-token prediction in another stage than the head is refused."""
    assert [len(stage) for stage in a_task(1, Plan(pp=2, dp=8), pipeline_layout="Et*15|t*17L").layers] == [15, 17]
    changes = {"model": "deepseek-v3-671b", "mtp_layers": 1}
    with pytest.raises(LabError, match="pipeline_layout must have m before its L"):
        a_task(1, Plan(pp=2, dp=8), pipeline_layout="Et*61m|L", **changes)


def test_what_stands_in_is_stated() -> None:
    """fp8 and a framework that is not the lab's have a sentence each."""
    assert stand_ins(job_of()) == []
    assert stand_ins(job_of(precision="fp8", stack="nemo")) == [
        "Megatron-Core stands in for NeMo (Megatron-Core)",
        "fp8 needs kernels of a GPU: bf16 stands in, also for what is stored in fp8",
    ]


def test_choices_that_a_module_does_not_read_are_reported() -> None:
    """Only those that are not the default of the stack: gradients in 2 bytes are not Megatron-Core's."""
    task = a_task(gradient_bytes="2", reduce_bytes="4", offload_optimizer=True)
    assert task.changed == ("gradient_bytes", "offload_optimizer")
    assert task.ignored(("gradient_bytes",)) == ["offload_optimizer true is not run in the lab: the default of the framework stands in"]
