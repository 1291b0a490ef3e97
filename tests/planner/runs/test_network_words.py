"""The network rate of a GPU from descriptions of interconnects."""

from __future__ import annotations

import pytest

from planner import presets
from planner.runs.configure import RANK_CHECK, configured, rank_seconds
from planner.runs.network_of_row import link_of, nic_of
from planner.runs.network_words import nic_gbit
from tests.planner.calibration.step_files import ROW


@pytest.mark.parametrize(
    ("text", "node", "gbit"),
    [
        ("eight 100 Gbps NICs per node", 8, 100), ("4x 200 Gb/s HDR per node", 8, 100), ("8x400G", 8, 400), ("InfiniBand HDR", 8, 200),
        ("EFA 3200 Gbps per node", 8, 400), ("RoCE 2 x 200GbE", 8, 50), ("100 GB/s", 8, 100), ("EFA 400 Gbps", 8, 50),
        ("200 Gb/s HDR IB per GPU", 8, 200), ("one 100 Gb/s EDR IB per node", 8, 12.5),
        ("NVLink 900 GB/s; 8 x ConnectX-7 NDR InfiniBand", 8, 400), ("one 200 Gb/s NIC per two GPUs", 8, 100),
        ("two 200 Gb/s NICs per GPU", 8, 400), ("1.6 Tb/s per node", 8, 200), ("3,200 Gb/s RDMA", 8, 400), ("25 GB/s per GPU", 8, 200),
        ("50 GB/s bidirectional per GPU", 8, 200), ("dual-port 100 GbE NIC", 8, 25), ("100 Gb/s per NIC, 8 NICs per node", 8, 100),
        ("NVLink 600 GB/s and 4 x HDR between nodes", 8, 100), ("10 Gigabit Ethernet", 4, 10), ("25GbE", 8, 25),
        ("Slingshot-11, 4 NICs per node", 8, 100), ("Slingshot 11", 4, 200), ("400 Gb/s x 8", 8, 400), ("HDR (200 Gb/s) x 8", 8, 200),
        ("PCIe 4.0 x16, no NVLink", 8, None), ("", 8, None), ("A100 80G, NVLink", 8, None), ("NVLink 900 GB/s IB 400 Gb/s", 8, 400),
        ("8 NICs at 400 Gb/s each", 8, 400), ("Omni-Path 100 Gb/s, 4 links per node", 4, 100),
        ("4 Intel Omni-Path 100 Gb/s links per node", 8, 50), ("storage: 2x 100 GbE; compute: 8x NDR400", 8, 400),
        ("8x NDR (3.2 Tb/s in total)", 8, 400), ("400 Gbit/s InfiniBand", 8, 400), ("800 Gb/s ConnectX-8 per GPU", 4, 800),
        ("ConnectX-8", 4, 800), ("InfiniBand 8 x 400 Gb/s (one per GPU)", 8, 400), ("one ConnectX-7 per GPU", 8, 400),
        ("RoCEv2 over 4x100G", 8, 50), ("NVSwitch, 8x200Gb/s HDR", 8, 200), ("2x HDR100 per node", 4, 50),
        ("single 10 Gb/s port", 4, 2.5), ("100Gbps", 8, 100), ("TCP over 25 Gbps Ethernet", 8, 25), ("3.2 Tbps RDMA", 8, 400),
        ("quad-rail EDR", 4, 100), ("four 200Gbps HDR InfiniBand HCAs per DGX", 8, 100), ("InfiniBand, 200 GB/s per node", 8, 200),
        ("NVLink (single node)", 8, None), ("200 Gb/s per pair of GPUs", 8, 100), ("network 100 Gbit/s per server", 8, 12.5),
        ("8 RoCE NICs, 200 Gb/s each", 8, 200), ("ICI 448 GB/s", 4, None), ("32 nodes of 8xH100 with 400Gb/s IB", 8, 400),
        ("CoreWeave H100, NDR400 rail-optimized", 8, 400), ("AWS p4d: 4 x 100 Gb/s EFA", 8, 50),
        ("Azure ND A100 v4, 8x200 Gb/s HDR", 8, 200), ("GCP a3-mega 1,800 Gbps", 8, 225), ("each node has 2 FDR ports", 2, 56),
        ("40 Gb/s Ethernet / 56 Gb/s FDR", 8, 56), ("1x400 Gb/s NDR InfiniBand per node", 4, 100), ("NDR200 per GPU", 4, 200),
        ("8 * 25 Gbps", 8, 25),
    ],
)  # fmt: skip
def test_descriptions_give_the_rate_of_one_gpu(text: str, node: int, gbit: float | None) -> None:
    """Counts, generations, rates in bits and bytes, per GPU, several GPUs, node or adapter give Gb/s per GPU; others None."""
    assert nic_gbit(text, node) == (None if gbit is None else pytest.approx(gbit))


def test_published_clusters_are_known_by_name_where_no_rate_is_given() -> None:
    """A cluster's name counts only where no rate is given, as a number or in the description, and with the GPUs of its nodes."""
    assert nic_of({"interconnect": "Jean Zay V100 partition"}, 4) == 100
    assert nic_of({"interconnect": "Selene"}, 8) == 200
    assert nic_of({"interconnect": "Selene"}, 4) is None
    assert nic_of({"interconnect": "Selene, 400 Gb/s per GPU"}, 8) == 400
    assert nic_of({"interconnect": "Selene", "nic_gbit_s": "50"}, 8) == 50


def test_without_nvlink_a_node_has_the_bandwidth_of_pcie() -> None:
    """`no NVLink` limits the link in a node to that of PCIe, and other words do not."""
    gpu = presets.gpu("a100-80gb-sxm")
    assert link_of({"interconnect": "PCIe, no NVLink"}, gpu) == gpu.pcie_bytes_s < gpu.link_bytes_s
    assert link_of({"interconnect": "NVLink"}, gpu) == gpu.link_bytes_s


def test_gathers_that_take_long_for_each_rank_were_checked() -> None:
    """6.5e8 bytes over 256 GPUs at 13 GB/s take 50 ms, 1.8 ms of them at 0.9 of the line rate of 8 x 50 GB/s: 188 us a rank, of collectives
    whose arguments are compared; at 75 GB/s 27 us, of a network. What was checked does not measure the network."""
    many = ROW | {"gpus": "256", "dp": "", "nccl_all_reduce_gb_s": "26", "nccl_all_gather_gb_s": "13"}
    slow = configured(many).job.cluster
    assert (slow.rank_check_s, slow.measured_reduce_bytes_s, slow.measured_gather_bytes_s) == (RANK_CHECK, 0, 0)
    assert rank_seconds(slow, 13e9) == pytest.approx(188e-6, rel=0.01)
    fast = configured(many | {"nccl_all_gather_gb_s": "75"}).job.cluster
    assert (fast.rank_check_s, fast.measured_gather_bytes_s) == (0, 75e9)


def test_measured_gathers_and_reduce_scatters_have_the_mean_of_their_times() -> None:
    """A gather at 270 GB/s and a reduce-scatter at 135 GB/s take the time of two collectives at 180 GB/s; alone the gather counts."""
    gathered = ROW | {"gpus": "32", "dp": "", "nccl_all_reduce_gb_s": "300", "nccl_all_gather_gb_s": "270"}
    assert configured(gathered).job.cluster.measured_gather_bytes_s == pytest.approx(270e9)
    assert configured(gathered | {"nccl_reduce_scatter_gb_s": "135"}).job.cluster.measured_gather_bytes_s == pytest.approx(180e9)
