"""The options that decide memory: combinations that cannot work, choices that a framework lacks, and plan files without them."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w

from planner import presets
from planner.document.fields import FIELDS
from planner.document.inputs import EXAMPLE, Inputs, Value, resolve, shown
from planner.document.planfile import Document, dumps, loads
from planner.errors import FieldError
from planner.specs.options import OPTIMIZERS
from tests.planner.jobs import example

NEW = ("loss_kernel", "kernels", "master_bytes", "reduce_bytes", "autocast", "foreach")  # without a default: the stack's
ADDED = {"optimizers", "loss_kernels", "recompute_modules", "steps_in_backward", "loss_kernel", "kernels", "autocast", "foreach"}


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"optimizer": "adamw-8bit"}, "optimizer", "for states of 8 bits set state_bytes to 1"),
        ({"loss_kernel": "chunked"}, "loss_kernel", "Megatron-Core has the loss kernels plain, fused, not chunked"),
        ({"stack": "torchtitan", "recompute_modules": "mlp"}, "recompute_modules", "selects no modules for recomputation"),
        ({"recompute_modules": "moe_act"}, "recompute_modules", "needs a model with experts"),
        ({"recompute_modules": "core_attn,mla_up_proj"}, "recompute_modules", "needs a model with kv_rank"),
        ({"optimizer_in_backward": True}, "optimizer_in_backward", "Megatron-Core has no optimizer in the backward pass"),
        ({"fp8_parameters": True}, "fp8_parameters", "needs precision fp8, not bf16"),
        ({"offload_nvme": True}, "offload_nvme", "set offload_optimizer to yes"),
        ({"stack": "pytorch-fsdp", "optimizer": "adamw-8bit-paged", "offload_optimizer": True}, "offload_optimizer",
         "moves its states to host memory itself"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_field(changes: dict[str, Value], key: str, reason: str) -> None:
    """A choice that the framework lacks, or that excludes another, is refused in one sentence that names its field."""
    with pytest.raises(FieldError) as refusal:
        resolve(EXAMPLE.with_all(changes))
    assert refusal.value.key == key and reason in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("stack", presets.names("stacks"))
def test_every_stack_accepts_the_choices_it_lists(stack: str) -> None:
    """The optimizers and loss kernels of a stack file are accepted, the usual ones among them, and all others refused."""
    spec = presets.stack(stack)
    assert "adamw" in spec.optimizers and spec.loss_kernel in spec.loss_kernels
    for optimizer in OPTIMIZERS:
        if optimizer in spec.optimizers:
            assert example(stack=stack, optimizer=optimizer).optimizer == optimizer
        else:
            with pytest.raises(FieldError, match="has the optimizers"):
                example(stack=stack, optimizer=optimizer)


def test_modules_are_stored_in_one_order() -> None:
    """A list of modules reads the same in any order, with commas or spaces."""
    inputs = [EXAMPLE.with_all({"model": "deepseek-v3-671b", "recompute_modules": text}) for text in ("mlp, moe_act", "moe_act mlp")]
    assert {resolve(each).recompute_modules for each in inputs} == {"moe_act,mlp"}
    assert loads(dumps(Document(inputs[1]))).inputs.values["recompute_modules"] == "moe_act,mlp"


def test_a_plan_file_holds_the_options_that_were_set() -> None:
    """Only options that were set are in [job]; the file reads back to the same job; those that follow the stack are in no table."""
    changes: dict[str, Value] = {
        "recompute_modules": "core_attn,mlp", "master_bytes": "2", "autocast": True, "offload_optimizer": True, "offload_activations": 25.0,
    }  # fmt: skip
    document = Document(EXAMPLE.with_all(changes))
    tables = tomllib.loads(dumps(document))
    assert set(tables["job"]) == {*EXAMPLE.values, *changes}
    assert not set(NEW) & set(tables["defaults"])
    again = loads(dumps(document))
    assert again.inputs.values == document.inputs.values and resolve(again.inputs) == resolve(document.inputs)
    assert resolve(again.inputs).offload_activations == 0.25


def test_a_plan_file_of_an_earlier_version_has_the_usual_options() -> None:
    """A file without these fields, in [job], [defaults] or the recorded stack, reads to the job without them."""
    inputs = Inputs({"stack": "megatron-core", "model": "llama-3.1-8b"})
    tables = tomllib.loads(dumps(Document(inputs)))
    options = {f.key for f in FIELDS if f.group == "options"} - {"offload_optimizer"}
    for table, keys in ((tables["defaults"], options), (tables["presets"]["stack"]["spec"], ADDED)):
        for key in keys & set(table):
            del table[key]
    old = loads(tomli_w.dumps(tables))
    job, now = resolve(old.inputs), resolve(inputs)
    assert {f.key: getattr(job, f.attribute) for f in FIELDS if f.spec == "job"} == {
        f.key: getattr(now, f.attribute) for f in FIELDS if f.spec == "job"
    }


def test_options_of_an_impossible_job_are_shown_as_those_of_the_stack() -> None:
    """While a job cannot be resolved its optional fields have the values of the stack, each of its kind."""
    values = shown(EXAMPLE.with_all({"stack": "torchtitan", "optimizer": "lion"}))
    assert values["autocast"] == (False, False) and values["loss_kernel"] == (presets.stack("torchtitan").loss_kernel, False)
    assert values["gradient_bytes"][0] == "4" and values["optimizer"] == ("lion", True)
