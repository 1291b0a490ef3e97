"""The fields of the cluster: its preset, its GPU, links, memory and peaks."""

from __future__ import annotations

from planner.document.field import Field
from planner.specs.hardware import GIB, LARGEST_GPUS


def _gpu(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "gpu", attribute, scale, least, most)


def _link(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "cluster", attribute, scale, least, most)


CLUSTER: tuple[Field, ...] = (
    Field("cluster", "cluster", "Cluster", "preset", "shape of the cluster; empty: custom", preset_kind="clusters", optional=True,
          default=""),
    Field("gpu", "cluster", "GPU", "preset", "accelerator", preset_kind="gpus", default="h100-sxm"),
    Field("gpus", "cluster", "GPUs", "int", "number of GPUs", "", "cluster", "gpus", 1.0, 1, LARGEST_GPUS, default=8),
    Field("gpus_per_node", "cluster", "GPUs per node", "int", "GPUs in a node", "", "cluster", "gpus_per_node", 1.0, 1, 65_536, default=8),
    Field("link_domain", "cluster", "Link domain", "int", "GPUs connected by the scale-up link (NVLink, xGMI, PCIe)", "GPUs",
          "cluster", "link_domain", 1.0, 1, 65_536),
    _link("link_gb_s", "Link", "GB/s", "link_bytes_s", 1e9, 1e-3, 1e6, "scale-up bandwidth per GPU, one direction"),
    _link("nic_gbit_s", "NIC", "Gb/s", "nic_bytes_s", 1.25e8, 1e-3, 8e6, "network bandwidth per GPU, one direction"),
    _link("measured_reduce_gb_s", "All-reduce", "GB/s", "measured_reduce_bytes_s", 1e9, 0, 1e6,
          "measured bus bandwidth of an all-reduce over all GPUs; 0: by the rates of the links"),
    _link("measured_gather_gb_s", "All-gather", "GB/s", "measured_gather_bytes_s", 1e9, 0, 1e6,
          "measured bus bandwidth of an all-gather over all GPUs; 0: by the rates of the links"),
    _gpu("memory_gib", "Memory", "GiB", "memory_bytes", GIB, 0.25, 2**20, "GPU memory as the driver reports it"),
    _gpu("hbm_gb_s", "HBM", "GB/s", "hbm_bytes_s", 1e9, 0.1, 1e7, "memory bandwidth of the GPU"),
    _gpu("tflops_bf16", "bf16", "TFLOP/s", "flops_bf16", 1e12, 1e-3, 1e8, "dense bf16 peak of the GPU"),
    _gpu("tflops_fp8", "fp8", "TFLOP/s", "flops_fp8", 1e12, 0, 1e8, "dense fp8 peak of the GPU; 0: none"),
    _gpu("pcie_gb_s", "PCIe", "GB/s", "pcie_bytes_s", 1e9, 1e-3, 1e6, "host link per GPU, one direction"),
    _link("host_memory_gib", "Host memory", "GiB", "host_memory_bytes", GIB, 1, 2**30, "host memory of a node"),
    Field("headroom", "cluster", "Headroom", "float", "share of GPU memory left free", "%", "job", "headroom", 0.01, 0, 95,
          default=0.0),
)  # fmt: skip
