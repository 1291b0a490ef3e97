"""The network of a measured run: its rate per GPU from a column, else from a description of the interconnect; and the link in a node."""

from __future__ import annotations

import re

from planner.runs.network_words import nic_gbit as nic_gbit
from planner.runs.row import Row, cell, number
from planner.specs.hardware import Gpu

GIGABIT = 1.25e8  # bytes
# Clusters whose network is published, by a name in the interconnect's text: Gb/s of a GPU, with the GPUs of its nodes. DGX SuperPODs have
# one HDR (Selene) or NDR (Eos) port per GPU; nodes of Jean Zay 4 Omni-Path ports (http://www.idris.fr/eng/jean-zay).
CLUSTERS = (("selene", 8, 200.0), ("eos", 8, 400.0), ("jean zay", 4, 100.0), ("jean zay", 8, 50.0))
WITHOUT_NVLINK = re.compile(r"\b(?:no|without)\b[^,;]{0,20}\bNV-?Link\b|\bPCIe (?:only|alone)\b|\bonly PCIe\b", re.IGNORECASE)


def nic_of(row: Row, node: int) -> float | None:
    """Network bandwidth per GPU of a row, Gb/s in one direction: by `nic_gbit_s`, else by `interconnect`; None without a rate."""
    if cell(row, "nic_gbit_s"):
        return number(row, "nic_gbit_s", least=1e-3)
    text = cell(row, "interconnect")
    known = (gbit_s for name, gpus, gbit_s in CLUSTERS if gpus == node and re.search(rf"\b{name}\b", text.lower()))
    rate = nic_gbit(text, node)
    return next(known, None) if rate is None else rate


def link_of(row: Row, gpu: Gpu) -> float:
    """Bandwidth per GPU of the links in a node, one direction; bytes/s: that of PCIe where the row has no NVLink."""
    return min(gpu.link_bytes_s, gpu.pcie_bytes_s) if WITHOUT_NVLINK.search(cell(row, "interconnect")) else gpu.link_bytes_s
