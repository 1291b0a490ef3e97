"""A "cuda" device for fake tensors on a machine without a GPU: `prepare` before torch is imported, `start` before a model is built.

The functions of torch.cuda that frameworks call answer as on one idle GPU of compute capability 9.0; work is done at once and in order.
`on_stream` records which stream allocates, since the allocator has pools for each.
"""

from __future__ import annotations

import contextlib
import os
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planner.lab import guard

NODE = 8  # ranks of a node, for LOCAL_RANK
MEMORY = 141 * 2**30  # bytes that the device reports; no framework of the lab decides by it
stream_of_thread = [0]  # number of the stream that allocations belong to


def prepare(cache: Path) -> None:
    """Load the guard and import torch with a device that does nothing; LabError where that is impossible. Once per process."""
    guard.load(cache)
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    _replace_cuda(torch.cuda)
    import torch.amp.autocast_mode
    import torch.cuda.amp.common as common

    common.amp_definitely_not_available = lambda: False
    torch.Tensor.record_stream = lambda self, stream: None
    torch.Tensor.pin_memory = lambda self, *_: self


def start(world: int, rank: int) -> Any:
    """The mode of fake tensors, with a fake process group of `world` ranks in which this process is `rank`."""
    import torch.distributed as dist
    import torch.distributed._tools.fake_collectives  # noqa: F401  shapes of the results of collectives
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.testing._internal.distributed.fake_pg import FakeStore

    local = {"LOCAL_RANK": rank % NODE, "LOCAL_WORLD_SIZE": min(NODE, world)}
    where = {"RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    os.environ.update({name: str(value) for name, value in (where | local).items()})
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
    _skip_foreign_groups(dist, rank)
    dist.barrier = lambda *_, **__: None
    dist.all_gather_object = _gather_alike
    return FakeTensorMode(allow_non_fake_inputs=True)


def _skip_foreign_groups(dist: Any, rank: int) -> None:
    """Create no process group that this rank is not in: jobs have thousands."""
    create = dist.new_group

    def new_group(ranks: Any = None, *args: Any, **kwargs: Any) -> Any:
        if ranks is not None and rank not in ranks:
            return dist.GroupMember.NON_GROUP_MEMBER
        return create(ranks, *args, **kwargs)

    dist.new_group = new_group


def _gather_alike(results: list[Any], value: Any, group: Any = None) -> None:
    """all_gather_object, every rank having the value of this one."""
    results[:] = [value] * len(results)


class Event:
    """An event that has always happened."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def record(self, *_: Any) -> None:
        """Nothing to wait for."""

    wait = synchronize = record

    def query(self) -> bool:
        """Whether it has happened."""
        return True

    def elapsed_time(self, _: Any) -> float:
        """Milliseconds to another event."""
        return 1.0


class Stream:
    """A stream of the device, with a unique number: the default stream is 0."""

    made = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        import torch

        self.device, self.stream_id, self.cuda_stream = torch.device("cuda", 0), 0, 0
        self.number, Stream.made = Stream.made, Stream.made + 1

    def wait_stream(self, *_: Any) -> None:
        """Nothing to wait for."""

    wait_event = synchronize = wait_stream

    def record_event(self, event: Any = None) -> Any:
        """The event, which has happened."""
        return event or Event()

    def query(self) -> bool:
        """Whether its work is done."""
        return True

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None: ...


@contextlib.contextmanager
def on_stream(stream: Stream | None = None) -> Iterator[None]:
    """torch.cuda.stream: allocations within belong to this stream."""
    before = stream_of_thread[0]
    stream_of_thread[0] = before if stream is None else stream.number
    try:
        yield
    finally:
        stream_of_thread[0] = before


def _replace_cuda(cuda: Any) -> None:
    """Let the functions of torch.cuda answer as on one idle GPU."""
    import torch

    default = Stream()
    properties = types.SimpleNamespace(total_memory=MEMORY, major=9, minor=0, name="NVIDIA H100", multi_processor_count=132)
    constants: dict[str, Any] = {
        "current_device": 0, "device_count": 1, "current_stream": default, "default_stream": default, "get_device_capability": (9, 0),
        "get_device_name": "NVIDIA H100", "get_device_properties": properties, "mem_get_info": (MEMORY, MEMORY), "memory_stats": {},
        "is_bf16_supported": True, "is_current_stream_capturing": False, "_is_in_bad_fork": False, "get_rng_state": torch.get_rng_state(),
    }  # fmt: skip
    nothing = (
        *("set_device", "synchronize", "empty_cache", "set_rng_state", "manual_seed", "manual_seed_all", "_lazy_init"),
        *("reset_peak_memory_stats", "reset_max_memory_allocated"),
    )
    for name, value in (constants | dict.fromkeys(nothing)).items():
        setattr(cuda, name, lambda *_, _value=value, **__: _value)
    for name in ("memory_reserved", "memory_allocated", "max_memory_allocated", "max_memory_reserved"):
        setattr(cuda, name, lambda *_, **__: 0)
    cuda.Stream, cuda.Event, cuda.stream = Stream, Event, on_stream
    cuda.device = lambda *_, **__: contextlib.nullcontext()
    cuda.nvtx.range_push = cuda.nvtx.range_pop = lambda *_: None
