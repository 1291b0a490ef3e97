"""The network of a measured run: its rate per GPU from a column, or from a description of the interconnect."""

from __future__ import annotations

import re

from planner.runs.row import Row, cell, number

GIGABIT = 1.25e8  # bytes
PORT = 400  # Gb/s: no port is faster, a larger rate is the node's
WORDS = {"one": 1, "two": 2, "four": 4, "eight": 8, "sixteen": 16}
# Case-sensitive: Gb is bits, GB would be bytes.
NIC_WORDS = re.compile(rf"\b({'|'.join(WORDS)}|\d{{1,3}})\s+(\d{{1,6}})\s*Gb(?:ps|/[sS](?:ec)?)?\s+(?:\w+\s+)*?(?:NICs?|ports?|HCAs?)\b")
NIC_COUNT = re.compile(r"(\d{1,6})\s*x\s+[^,;]*?(\d{1,6})\s*Gb")
NIC_EACH = re.compile(r"(\d{1,6})\s*Gb(?:ps|/[sS](?:ec)?)?[^,;]*per GPU")
NIC_NODE = re.compile(r"(\d{1,6})\s*Gb(?:ps|/[sS](?:ec)?)?\s+(?:\w+\s+)*?(?:per|a) node")
NIC_BARE = re.compile(r"(\d{2,5})\s*Gb(?:ps|/[sS])")


def nic_of(row: Row, node: int) -> float | None:
    """Network bandwidth per GPU of a row, Gb/s in one direction: by `nic_gbit_s`, else by `interconnect`; None without a rate."""
    if cell(row, "nic_gbit_s"):
        return number(row, "nic_gbit_s", least=1e-3)
    return nic_gbit(cell(row, "interconnect"), node)


def nic_gbit(text: str, node: int) -> float | None:
    """Network bandwidth per GPU, Gb/s in one direction, from a description of the interconnect; None if it has no rate."""
    if each := NIC_EACH.search(text):
        return float(each[1])
    if ports := NIC_WORDS.search(text):
        return (WORDS.get(ports[1]) or int(ports[1])) * float(ports[2]) / node
    if counts := NIC_COUNT.findall(text):
        return max(int(count) * int(rate) for count, rate in counts) / node
    if shared := NIC_NODE.search(text):
        return float(shared[1]) / node
    if bare := NIC_BARE.findall(text):
        rate = float(bare[-1])
        return rate / node if rate > PORT else rate
    return None
