"""What torch does beyond the memory of a rank, and what fake tensors cannot do. Imported in the child process alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor._sharding_prop import ShardingPropagator
from torch.utils._python_dispatch import _disable_current_modes

PROPAGATION = ("_propagate_tensor_meta", "propagate")  # how the names of methods that compute shapes start
UNCHANGED = ("__repr__", "__hash__", "__eq__", "__enter__", "__exit__", "size", "ndim", "shape")  # of a mesh


def hide_shapes(paused: Callable[[int], None]) -> None:
    """Let `paused` know while DTensor computes shapes with fake tensors of the whole size, which no rank has: +1 before, -1 after."""
    for name, function in list(vars(ShardingPropagator).items()):
        if callable(function) and not isinstance(function, staticmethod | classmethod) and name.startswith(PROPAGATION):
            setattr(ShardingPropagator, name, _within(function, paused))


def _within(function: Callable[..., Any], paused: Callable[[int], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        paused(1)
        try:
            return function(*args, **kwargs)
        finally:
            paused(-1)

    return run


def real_meshes() -> None:
    """Compute device meshes with real tensors of the host, which no mode may see. After init_process_group."""
    for name, function in list(vars(DeviceMesh).items()):
        static = isinstance(function, staticmethod)
        if static or (callable(function) and not isinstance(function, classmethod) and name not in UNCHANGED):
            plain = _without_modes(function.__func__ if static else function)
            setattr(DeviceMesh, name, staticmethod(plain) if static else plain)


def _without_modes(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return function(*args, **kwargs)

    return run


def convert_by_replacing() -> None:
    """Module.to and the like: a fake parameter cannot be swapped for one of another type or device in place, and is replaced."""

    def apply(module: Any, function: Callable[[Any], Any], recurse: bool = True) -> Any:
        for child in module.children() if recurse else ():
            child._apply(function)
        for key, parameter in list(module._parameters.items()):
            if parameter is None:
                continue
            new = function(parameter.data)
            if new.dtype != parameter.dtype or new.device != parameter.device:
                module._parameters[key] = torch.nn.Parameter(new, parameter.requires_grad)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = function(buffer)
        return module

    torch.nn.Module._apply = apply  # type: ignore[method-assign]


def label_gathered(making: Callable[[str], AbstractContextManager[None]]) -> None:
    """Let unsharded weights of FSDP2 be made as `gathered`: the outputs of all-gathers, and what they are copied to."""
    from torch.distributed.fsdp._fully_shard import _fsdp_param, _fsdp_param_group

    for owner, name in ((_fsdp_param.FSDPParam, "init_all_gather_outputs"), (_fsdp_param_group, "foreach_all_gather")):
        setattr(owner, name, _made(getattr(owner, name), making))


def _made(function: Callable[..., Any], making: Callable[[str], AbstractContextManager[None]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with making("gathered"):
            return function(*args, **kwargs)

    return run
