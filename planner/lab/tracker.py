"""Every storage on the device: made, resized and freed, by kind, with the peak of each phase. Imported in the child process alone."""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass
from torch.utils._pytree import tree_leaves

from planner.lab.adapt import hide_shapes
from planner.lab.allocator import Allocator, Block, rounded
from planner.lab.device import stream_of_thread
from planner.lab.record import Holding, Peak, Record

WAIT = torch.ops._c10d_functional.wait_tensor.default
PUT = torch.ops.aten.index_put_.default
SELECT = torch.ops.aten.masked_select.default
DEVICE = "cuda"
LARGEST = 12  # holdings of a record
NUMBER = re.compile(r"\b\d+\b")  # of a layer, in the name of a module
EMBEDDING = torch.ops.aten.embedding_dense_backward.default


class Storage:
    """A live storage: its size, its kind, what made it, and its blocks in each allocator."""

    __slots__ = ("blocks", "kind", "reference", "size", "source")

    def __init__(self, size: int, kind: str, source: str) -> None:
        self.size, self.kind, self.source = size, kind, source
        self.blocks: list[Block] = []
        self.reference: weakref.ref[Any] | None = None


class Tracker(TorchDispatchMode):
    """The mode under which a framework runs, inside a mode of fake tensors. `record` is what was seen."""

    def __init__(self, progress: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.progress = progress
        self._pass = "loss"  # the phase of the backward pass, as hooks of the layers mark it
        self.notes: list[str] = []
        self.paused = 0  # positive while shapes are computed with tensors that no rank has
        self.selected = 0  # elements that a mask selects: they depend on data
        self._named = ""  # the kind that `making` names
        self._part = ""  # of a step: training or updating; empty outside of steps
        self._live: dict[int, Storage] = {}
        self._total = self._states = 0
        self._by_kind: dict[str, int] = {}
        self._peaks: dict[str, Peak] = {}
        self._largest: tuple[Holding, ...] = ()
        self._highest = 0  # live bytes of the peak that `_largest` is of, or is to be taken of
        self._stale = False
        self._source = ""  # the operation that runs, and its module
        self.steps = 0
        self._modules: list[str] = []
        self._allocators = (Allocator(), Allocator(expandable=True))
        self._resize = torch.UntypedStorage.resize_
        hide_shapes(self._pause)

    # what a framework's module calls

    def note(self, sentence: str) -> None:
        """Report, once, what stands in for something that cannot run."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    @contextlib.contextmanager
    def making(self, kind: str) -> Iterator[None]:
        """Storages made within are of this kind."""
        before, self._named = self._named, kind
        try:
            yield
        finally:
            self._named = before

    def training(self) -> AbstractContextManager[None]:
        """Forward and backward passes run within."""
        return self._within("training")

    def updating(self) -> AbstractContextManager[None]:
        """The optimizer's step runs within. What it makes in the first step and keeps is labelled by `states`."""
        return self._within("updating")

    @contextlib.contextmanager
    def _within(self, part: str) -> Iterator[None]:
        before, self._part = self._part, part
        try:
            yield
        finally:
            self._part = before

    def end_step(self) -> None:
        """The end of a step. Peaks are those of later steps: the first makes the optimizer's states, and follows the model's making."""
        self._states = self._total
        self.steps += 1
        if self.steps == 1:
            self._peaks, self._highest = {}, 0
            for allocator in self._allocators:
                allocator.peak = allocator.reserved

    def empty_cache(self) -> None:
        """Replace the allocators by new ones with what is live alone, as torch.cuda.empty_cache leaves them."""
        self._allocators = (Allocator(), Allocator(expandable=True))
        for info in self._live.values():
            if info.size:
                info.blocks = [allocator.allocate(info.size, 0) for allocator in self._allocators]

    def parameters(self, module: torch.nn.Module) -> None:
        """Label the weights of a module, and from now on their gradients."""
        for parameter in module.parameters():
            self.label(parameter.data if not isinstance(parameter, DTensor) else parameter, "params")
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._accumulated)

    def states(self, optimizer: Any) -> None:
        """Label the tensors in the state of an optimizer of torch."""
        for leaf in tree_leaves([dict(state) for state in optimizer.state.values()]):
            if isinstance(leaf, torch.Tensor):
                self.label(leaf, "optimizer")

    def gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Label the gradients that parameters hold."""
        for parameter in parameters:
            if parameter.grad is not None:
                self.label(parameter.grad, "grads")

    def label(self, tensor: torch.Tensor, kind: str) -> None:
        """Name the kind of a tensor's storage."""
        self._see(tensor, kind)

    def modules(self, model: torch.nn.Module) -> None:
        """Name the modules of a model in what is largest: storages are listed by the module in whose forward pass they were made.

        Layers are alike: their numbers are written as *.
        """
        for name, module in model.named_modules():

            def enter(_: Any, __: Any, name: str = NUMBER.sub("*", name)) -> None:
                self._modules.append(name)

            module.register_forward_pre_hook(enter)
            module.register_forward_hook(self._leave, always_call=True)

    def layers(self, first: torch.nn.Module | None, *last: torch.nn.Module) -> None:
        """Mark the phases of backward passes by the gradients of outputs: of a last layer (one per virtual stage), the loss is over; of
        the first layer of the rank, the end begins.
        """
        for module in last:
            module.register_forward_hook(self._marking("backward"))
        if first is not None:
            first.register_forward_hook(self._marking("end"))

    def _marking(self, phase: str) -> Callable[..., None]:
        """A forward hook that marks a phase once the gradient of the output is there; not of outputs that are recomputed."""

        def mark(_: Any) -> None:
            self._pass = phase

        def hook(_: Any, __: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            if tensor.requires_grad and torch._C._current_graph_task_id() == -1:
                tensor.register_hook(mark)

        return hook

    def _empty_caches(self) -> None:
        for allocator in self._allocators:
            allocator.empty()

    def _pause(self, change: int) -> None:
        self.paused += change

    def _leave(self, *_: Any) -> None:
        if self._modules:
            self._modules.pop()

    # the result

    def record(self) -> Record:
        """What was seen."""
        if self._stale:
            self._take_largest()
        normal, expandable = (allocator.peak for allocator in self._allocators)
        return Record(self._peaks, normal, expandable, self._states, self._largest, tuple(self.notes))

    # storages

    def _kind_now(self) -> str:
        """The kind of a storage that is made now: autograd's state distinguishes a backward pass, and a forward pass in it."""
        if self._named or self._part != "training":
            return self._named or ("step" if self._part else "buffers")
        if torch._C._current_graph_task_id() == -1:
            return "activations"
        return "recomputed" if torch.is_grad_enabled() else "working"

    def _phase(self) -> str | None:
        """The phase that a peak would be in now; None while the model is being built."""
        if self._part != "training":
            return "step" if self._part else None
        if torch._C._current_graph_task_id() == -1:
            self._pass = "loss"
        return self._pass

    def _accumulated(self, parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            self.label(parameter.grad, "grads")

    def _see(self, tensor: torch.Tensor, kind: str | None = None) -> None:
        """Follow a tensor's storage, if it is on the device; label it where a kind is given."""
        if isinstance(tensor, DTensor):
            self._see(tensor._local_tensor, kind)
            return
        if is_traceable_wrapper_subclass(tensor):
            for name in tensor.__tensor_flatten__()[0]:
                self._see(getattr(tensor, name), kind)
            return
        if tensor.device.type != DEVICE:
            return
        storage = tensor.untyped_storage()
        known = self._live.get(storage._cdata)
        if known is not None and known.reference is not None and known.reference() is not None:
            self._resized(storage, known)
            if kind is not None:
                self._relabel(known, kind)
            return
        self._follow(storage, kind or self._kind_now())

    def _follow(self, storage: torch.UntypedStorage, kind: str) -> None:
        """Follow a new storage until it is freed."""
        size = storage.nbytes()
        info = Storage(rounded(size) if size else 0, kind, self._source)
        key = storage._cdata

        def freed(_: object) -> None:
            self._release(info)
            if self._live.get(key) is info:
                del self._live[key]

        info.reference = weakref.ref(storage, freed)
        self._live[key] = info
        self._allocate(info)

    def _resized(self, storage: torch.UntypedStorage, info: Storage) -> None:
        """Follow a change of a storage's size."""
        bytes_now = storage.nbytes()
        size = rounded(bytes_now) if bytes_now else 0
        if size != info.size:
            self._release(info)
            info.size = size
            self._allocate(info)

    def _relabel(self, info: Storage, kind: str) -> None:
        self._by_kind[info.kind] -= info.size
        info.kind = kind
        self._by_kind[kind] = self._by_kind.get(kind, 0) + info.size

    def _allocate(self, info: Storage) -> None:
        if info.size:
            info.blocks = [allocator.allocate(info.size, stream_of_thread[0]) for allocator in self._allocators]
            self._count(info, info.size)

    def _release(self, info: Storage) -> None:
        if self._stale:
            self._take_largest()
        for allocator, block in zip(self._allocators, info.blocks, strict=False):  # no blocks where the size is 0
            allocator.release(block)
        self._count(info, -info.size)
        info.blocks, info.size = [], 0

    def _count(self, info: Storage, change: int) -> None:
        """Add to the live bytes; take the peak of the phase."""
        self._total += change
        self._by_kind[info.kind] = self._by_kind.get(info.kind, 0) + change
        phase = self._phase()
        if change <= 0 or phase is None:
            return
        peak = self._peaks.get(phase)
        if peak is None or self._total > peak.live:
            self._peaks[phase] = Peak(self._total, {kind: size for kind, size in self._by_kind.items() if size})
            if self._total > self._highest:
                self._highest, self._stale = self._total, True

    def _take_largest(self) -> None:
        """The largest holdings now, by what made them: before the first storage is freed after a new peak."""
        self._stale = False
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for info in self._live.values():
            size, count = sums.get((info.kind, info.source), (0, 0))
            sums[info.kind, info.source] = size + info.size, count + 1
        order = sorted(sums.items(), key=lambda item: -item[1][0])[:LARGEST]
        self._largest = tuple(Holding(size, count, kind, source) for (kind, source), (size, count) in order)

    # the mode

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(issubclass(kind, DTensor) for kind in types):
            return NotImplemented
        if func is WAIT or (func is PUT and any(index is not None and index.dtype == torch.bool for index in args[1])):
            result = args[0]  # in place
        elif func is SELECT:
            result = args[0].new_empty(self.selected)
        else:
            result = func(*args, **(kwargs or {}))
        if func is EMBEDDING:
            self._pass = "embedding"
        if not self.paused:
            self._source = f"{func} in {self._modules[-1]}" if self._modules and self._modules[-1] else str(func)
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self._see(leaf)
        return result

    def __enter__(self) -> Any:
        tracker = self

        def resize(storage: torch.UntypedStorage, size: int) -> Any:
            result = tracker._resize(storage, size)
            info = tracker._live.get(storage._cdata)
            if info is not None and info.reference is not None and info.reference() is not None:
                tracker._resized(storage, info)
            return result

        torch.cuda.empty_cache = self._empty_caches
        torch.UntypedStorage.resize_ = resize  # type: ignore[method-assign, assignment]
        return super().__enter__()

    def __exit__(self, *error: Any) -> Any:
        torch.UntypedStorage.resize_ = self._resize  # type: ignore[method-assign]
        return super().__exit__(*error)
