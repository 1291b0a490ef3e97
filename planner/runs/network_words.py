"""The network rate of a GPU from a description of an interconnect, such as `eight 100 Gbps NICs per node` or `NVLink; 4x HDR`.

A description is read clause by clause. A clause has a rate, or the name of a generation of adapters; a number of adapters; and what the
rate belongs to: a GPU, several GPUs, a node, or an adapter. Clauses about links inside a node, storage and management are left out; of
several networks the fastest counts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NUMBER = r"\d{1,3}(?:,\d{3})+|\d{1,6}(?:\.\d{1,3})?"
WORDS = {
    "one": 1, "single": 1, "two": 2, "dual": 2, "three": 3, "four": 4, "quad": 4, "five": 5, "six": 6, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "sixteen": 16,
}  # fmt: skip
COUNT = rf"(?:\d{{1,3}}|{'|'.join(WORDS)})(?!\s?[TGM](?:b|ig|E?\b))"  # not the number of a rate
# b is bits and B bytes; `GBit` is bits. `Gb` and `G` without a time are rates of a port, `GB` without a time is a memory.
RATE = re.compile(
    rf"(?<![\w.,])(?:(?P<times>\d{{1,3}})[x×*])?(?P<number>{NUMBER})[\s-]?"
    r"(?:(?P<bits>[TGMtgm])(?:[bB]its?(?:ps|/[sS](?:ec)?)?|b(?:ps|/[sS](?:ec)?|E)?|igabits?|ig?E|E)(?:\s+Ethernet)?"
    r"|(?P<bytes>[TGM])B(?:ps|/[sS](?:ec)?)|(?P<port>G))(?![\w/])"
)
SCALE = {"t": 1000.0, "g": 1.0, "m": 1e-3}
# Gb/s of a port by its generation (InfiniBand: 4 lanes), the longer name first.
PORTS: tuple[tuple[str, float], ...] = (
    (r"XDR", 800), (r"NDR[- ]?200", 200), (r"NDR", 400), (r"HDR[- ]?100", 100), (r"HDR", 200), (r"EDR", 100), (r"FDR", 56), (r"QDR", 40),
    (r"(?:ConnectX|CX)-?8", 800), (r"(?:ConnectX|CX)-?7", 400), (r"(?:ConnectX|CX)-?6", 200), (r"(?:ConnectX|CX)-?5", 100),
    (r"BlueField-?3", 400), (r"BlueField-?2", 200), (r"Quantum-?2", 400), (r"Slingshot[- ]?10", 100), (r"Slingshot(?:[- ]?11)?", 200),
    (r"Omni-?Path|\bOPA\b", 100),
)  # fmt: skip
LARGEST_PORT = 400  # Gb/s: a larger rate without more words is a node's, save where a port of 800 is named
INSIDE = re.compile(r"NV-?Link|NVSwitch|\bNVL\d|PCI-?e|xGMI|Infinity Fabric|\bHBM|\bICI\b|\bDDR\d|memory|\bCPU\b|scale-?up", re.IGNORECASE)
ALWAYS_INSIDE = re.compile(
    r"\bintra\b|(?:in(?:side)?|within)[- ](?:the |a |each )?(?:node|server|host)\b|(?:GPU|NIC)-PCIe|PCIe-(?:NIC|GPU)|to host", re.IGNORECASE
)
NETWORK = re.compile(
    r"\bNICs?\b|\bHCAs?\b|\bIB\b|Infini-?Band|RoCE|RDMA|Ethernet|\d\s?Gb?E\b|\bEFA|\binter\b|network|fabric|between nodes|Slingshot"
    r"|(?:ConnectX|CX)-?\d|[XNHEFQ]DR|Omni-?Path|\brails?\b|\bOPA\b|across nodes",
    re.IGNORECASE,
)  # fmt: skip
OTHER_USE = re.compile(r"storage|management|front-?end|\bSSH\b|out-of-band|\bBMC\b|north-?south", re.IGNORECASE)
ADAPTER = r"(?:NICs?|ports?|HCAs?|adapters?|cards?|rails?|links?|interfaces?|VFs|EFAs?)"
PER_ADAPTER = re.compile(rf"(?:per|each|/)\s?{ADAPTER}\b|\beach\b", re.IGNORECASE)
DEVICE = r"(?:GPUs?|accelerators?|chips?|devices?|GCDs?|TPUs?|[ABHV]\d{2,3}s?|MI\d{3}X?)"
NODE = r"(?:nodes?|servers?|hosts?|machines?|instances?|VMs?|box(?:es)?|trays?|DGX|HGX)"
TO_DEVICE = re.compile(rf"(?:per|/|each|a|every|for each)\s?{DEVICE}\b|{DEVICE} each\b", re.IGNORECASE)
ONE_TO_DEVICE = re.compile(rf"(?:\bone|\b1|\ba)\s+(?:\w+\s+){{0,2}}(?:per|for each|to each)\s+{DEVICE}\b", re.IGNORECASE)
TO_SEVERAL = re.compile(
    rf"(?:per|for|shared (?:by|among|between|over)|between|over|every)\s+(?:(?P<n>{COUNT})\s+|(?P<pair>pair of\s+)){DEVICE}\b",
    re.IGNORECASE,
)
TO_NODE = re.compile(
    rf"(?:per|/|each|a|every|of (?:a|each)|in (?:a|each))\s?(?:\w+\s+)?{NODE}\b|\bnode (?:has|with)\b|\bEFA", re.IGNORECASE
)
TIMES_BEFORE = re.compile(rf"\b({COUNT})\s?(?:[x×*]|times)(?=[\s(]|[A-Z])(?!\s*(?:{DEVICE}|{NODE})\b)", re.IGNORECASE)
TIMES_AFTER = re.compile(r"\s*\)?\s?[x×*]\s?(\d{1,3})\b")
OF_ADAPTERS = re.compile(rf"\b({COUNT})[\s-](?:[^,;]{{0,60}}?[\s-])??{ADAPTER}\b", re.IGNORECASE)
ONE_OF = re.compile(r"\b(one|single)\s", re.IGNORECASE)
BOTH_WAYS = re.compile(r"bi-?directional|both directions|both ways", re.IGNORECASE)
SEPARATOR = re.compile(r"[;|]|,(?!\d{3}(?!\d))|\s\+\s|\s/\s|\sand\s|\bplus\b|\.\s")


class Rate(NamedTuple):
    """A rate in a clause, Gb/s; whether it is of bits; the number of adapters written before or after it, 0 without."""

    gbit_s: float
    of_bits: bool
    times: int


def nic_gbit(text: str, node: int) -> float | None:
    """Network bandwidth per GPU, Gb/s in one direction, from a description of the network of nodes of `node` GPUs; None without."""
    clauses = [part for part in SEPARATOR.split(text) if part and part.strip() and not _inside(part)]
    adapters = max((_adapters(part) for part in clauses), default=0)
    rates = [rate for part in clauses if (rate := _of_clause(part, node, adapters)) is not None]
    return max(rates, default=None)


def _inside(clause: str) -> bool:
    """Whether a clause is about links inside a node, or a network that training does not use."""
    if ALWAYS_INSIDE.search(clause) or OTHER_USE.search(clause):
        return True
    return bool(INSIDE.search(clause)) and not NETWORK.search(clause)


def _of_clause(clause: str, node: int, adapters: int) -> float | None:
    """The rate per GPU of a clause, given the number of adapters elsewhere in the text; Gb/s, None without a rate."""
    rates = _rates(clause)
    port = next((gbit_s for name, gbit_s in PORTS if re.search(rf"(?<![A-WYZa-wyz]){name}(?![A-Za-z])", clause, re.IGNORECASE)), 0.0)
    if not rates and not port:
        return None
    rate = max(rates) if rates else Rate(port, True, 0)
    gbit_s = rate.gbit_s / (2.0 if BOTH_WAYS.search(clause) else 1.0)
    count = rate.times or _adapters(clause)
    if port and count > 1 and rate.gbit_s == count * port:  # the rate of all of them, with their number and generation
        count = 1
        return gbit_s / node if not TO_DEVICE.search(clause) else gbit_s
    if not count and (not rates or PER_ADAPTER.search(clause)):
        count = adapters
    return _shared(clause, gbit_s, count, node, max(port, LARGEST_PORT))


def _shared(clause: str, gbit_s: float, count: int, node: int, largest: float) -> float:
    """A rate of `count` adapters (0: unknown) over the GPUs that share them; Gb/s per GPU."""
    if ONE_TO_DEVICE.search(clause):
        return gbit_s
    if several := TO_SEVERAL.search(clause):
        return gbit_s * max(1, count) / (2 if several["pair"] else _count(several["n"]))
    if TO_DEVICE.search(clause):
        return gbit_s * (count if count == 2 else 1)
    if count > 1 or TO_NODE.search(clause) or (count == 1 and ONE_OF.search(clause)):
        return gbit_s * max(1, count) / node
    return gbit_s / node if gbit_s > largest else gbit_s


def _rates(clause: str) -> list[Rate]:
    """The rates in a clause, only those of bits if there are any."""
    rates = []
    for match in RATE.finditer(clause):
        if match["port"] and not (match["times"] or NETWORK.search(clause) or TIMES_BEFORE.search(clause[: match.start()])):
            continue  # 80G: a memory
        scale = SCALE[(match["bits"] or match["bytes"] or match["port"]).lower()] * (8.0 if match["bytes"] else 1.0)
        after = TIMES_AFTER.match(clause, match.end())
        times = int(match["times"] or (after[1] if after else 0))
        rates.append(Rate(float(match["number"].replace(",", "")) * scale, not match["bytes"], times))
    return [rate for rate in rates if rate.of_bits] or rates


def _adapters(clause: str) -> int:
    """The number of adapters in a clause: `8x`, `eight 100 Gbps NICs`, `dual-port`; 0 without one."""
    counts = [_count(match[1]) for match in (*TIMES_BEFORE.finditer(clause), *OF_ADAPTERS.finditer(clause))]
    counts += [int(match["times"]) for match in RATE.finditer(clause) if match["times"]]
    return max((count for count in counts if count), default=1 if ONE_OF.search(clause) else 0)


def _count(text: str) -> int:
    return WORDS.get(text.lower()) or int(text)
