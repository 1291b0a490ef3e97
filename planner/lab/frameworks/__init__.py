"""The frameworks of the lab, and the interface of their modules.

A module of this package is imported in the child process alone, after `planner.lab.device.prepare`; it may import torch and its framework
at the top. It defines one function:

    def run(task: Task, tracker: Tracker) -> None

which builds the rank's part of the model, its optimizer and `task.steps` steps of `task.micro_batches` micro-batches as the framework
does, and labels what it builds:

    fake = device.start(task.world, task.rank)     # the fake process group and the mode of fake tensors
    with fake, tracker:
        model = ...                                # storages made outside of a step count as `buffers`
        tracker.parameters(model)                  # weights; gradients are labelled as they are accumulated
        tracker.modules(model)                     # names in the list of the largest tensors
        tracker.layers(first, *last)               # modules whose gradients mark the phases of a backward pass
        optimizer = ...
        for step in range(task.steps):
            with tracker.training():               # autograd's state distinguishes forward and backward passes
                ...
            with tracker.updating():               # the optimizer's step
                ...
            tracker.states(optimizer)              # what it holds from here on: `optimizer`
            tracker.end_step()                     # after gradients are set to None, where they are

`tracker.label(tensor, kind)` and `with tracker.making(kind)` name other storages (gathered weights, buffers of gradients).
`tracker.note(sentence)` reports what stands in for something that cannot run on a CPU; `tracker.progress(text)` what is being done.
`planner.lab.kernels` has stand-ins for kernels of CUDA, `planner.lab.adapt` what torch does that fake tensors cannot follow.
What cannot be run at all raises LabError with one sentence. Kinds are KINDS of planner.lab.record.
"""

from __future__ import annotations

from typing import NamedTuple


class Framework(NamedTuple):
    """A framework of the lab: its title, the module of this package that runs it, and the distributions whose versions are recorded."""

    title: str
    module: str
    distributions: tuple[str, ...]


FRAMEWORKS = {
    "megatron": Framework("Megatron-Core", "planner.lab.frameworks.megatron", ("torch", "megatron-core")),
    "torchtitan": Framework("torchtitan", "planner.lab.frameworks.torchtitan", ("torch", "torchtitan")),
    "transformers": Framework("transformers", "planner.lab.frameworks.transformers", ("torch", "transformers", "peft")),
    "deepspeed": Framework("DeepSpeed", "planner.lab.frameworks.deepspeed", ("torch", "transformers", "deepspeed")),
}
