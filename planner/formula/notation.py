"""The grammar of notations and its parser, from text to a tree of terms.

    notation   = case {", " case} [", " sum " otherwise"] | sum          "a if c" without otherwise is 0 if not c
    case       = sum " if " condition
    condition  = ["not "] comparison {(" and " | " or ") ["not "] comparison}
    comparison = sum [("=" | "≠" | "<" | "≤" | ">" | "≥") sum]           without sign: nonzero
    sum        = ["-"] product {("+" | "-") product}
    product    = power {("·" | "/") power}
    power      = atom ["²" | "⁴" | "^" atom]
    atom       = number | ½ ⅓ ⅔ ¼ | symbol | function "(" sum {", " sum} ")" | "(" notation ")" | "[" notation "]"
               | "⌈" sum "⌉" | "⌊" sum "⌋" | "Σ" power
    function   = max | min | sqrt | log2 | exp | max_i (over pipeline ranks)

`Σ` sums its operand over all values of its symbols, for example `Σ t_g` over the matrix products of a layer. An inexact notation starts
with "≈ " and is free text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from planner.errors import TmplanError

APPROXIMATE = "≈ "
FRACTIONS = {"½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4}
POWERS = {"²": 2.0, "⁴": 4.0}
BRACKETS = {"(": ")", "[": "]", "⌈": "⌉", "⌊": "⌋"}
COMPARISONS = ("=", "≠", "<", "≤", ">", "≥")
FUNCTIONS = ("max", "min", "sqrt", "log2", "exp", "max_i")
KEYWORDS = ("if", "otherwise", "and", "or", "not")
TOKEN = re.compile(
    r"\s*(?P<number>\d+(?:\.\d+)?|[½⅓⅔¼])|\s*(?P<sign>Σ|[-+·/^²⁴()\[\]⌈⌉⌊⌋,=≠<≤>≥])|\s*(?P<name>[A-Za-zℓα-ωΑ-Ω][A-Za-z0-9α-ωΑ-Ω_]*)"
)


class NotationError(TmplanError):
    """A notation outside the grammar."""


@dataclass(frozen=True)
class Number:
    """A constant and its text."""

    text: str
    value: float


@dataclass(frozen=True)
class Symbol:
    """A quantity."""

    name: str


@dataclass(frozen=True)
class Negated:
    """A term with a minus sign."""

    operand: Node


@dataclass(frozen=True)
class Operation:
    """A binary operation: + - · /."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Power:
    """A power, written with ², ⁴ or ^."""

    sign: str
    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call:
    """A function of one or more terms."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Bracket:
    """A term in round or square brackets, or in those of ceiling or floor."""

    opening: str
    inner: Node


@dataclass(frozen=True)
class Total:
    """Σ: the sum of a term over all values of its symbols."""

    operand: Node


@dataclass(frozen=True)
class Condition:
    """A comparison of two terms, or two conditions joined by `and` or `or`."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Not:
    """The negation of a condition."""

    operand: Node


@dataclass(frozen=True)
class Cases:
    """Terms with conditions; the value is that of the first true condition, else `otherwise` (None: 0)."""

    cases: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


Node = Number | Symbol | Negated | Operation | Power | Call | Bracket | Total | Condition | Not | Cases


@lru_cache(maxsize=1024)
def parsed(text: str) -> Node:
    """The tree of a notation; NotationError if it is outside the grammar."""
    reader = _Reader(text)
    tree = reader.notation()
    reader.expect("")
    return tree


def symbols_of(node: Node) -> frozenset[str]:
    """The symbols of a notation."""
    match node:
        case Symbol(name):
            return frozenset((name,))
        case Number():
            return frozenset()
        case Negated(operand) | Total(operand) | Not(operand) | Bracket(_, operand):
            return symbols_of(operand)
        case Operation(_, left, right) | Power(_, left, right) | Condition(_, left, right):
            return symbols_of(left) | symbols_of(right)
        case Call(_, arguments):
            return frozenset().union(*map(symbols_of, arguments))
        case Cases(cases, otherwise):
            parts = [part for case in cases for part in case] + ([otherwise] if otherwise else [])
            return frozenset().union(*map(symbols_of, parts))


class _Reader:
    """A recursive-descent parser with one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = TOKEN.match(text, at)
            if not match:
                raise NotationError(f"a notation cannot contain {text[at:].strip()[:1]}: {text}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            at = match.end()
        self.at = 0

    @property
    def next(self) -> str:
        """The next token; empty at the end."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *tokens: str) -> str:
        """Consume the next token if it is one of these; otherwise return an empty text."""
        token = self.next
        if token and token in tokens:
            self.at += 1
            return token
        return ""

    def expect(self, token: str) -> None:
        """Consume this token; NotationError if the next one is another."""
        if self.next != token:
            raise NotationError(f"{token or 'the end'} expected in place of {self.next or 'the end'}: {self.text}")
        self.at += 1

    def notation(self) -> Node:
        first = self.sum()
        if self.next != "if":
            return first
        cases: list[tuple[Node, Node]] = []
        while self.take("if"):
            cases.append((first, self.condition()))
            if not self.take(","):
                return Cases(tuple(cases), None)
            first = self.sum()
        self.expect("otherwise")
        return Cases(tuple(cases), first)

    def condition(self) -> Node:
        left = self.comparison()
        while word := self.take("and", "or"):
            left = Condition(word, left, self.comparison())
        return left

    def comparison(self) -> Node:
        if self.take("not"):
            return Not(self.comparison())
        left = self.sum()
        sign = self.take(*COMPARISONS)
        return Condition(sign, left, self.sum()) if sign else left

    def sum(self) -> Node:
        left: Node = Negated(self.product()) if self.take("-") else self.product()
        while sign := self.take("+", "-"):
            left = Operation(sign, left, self.product())
        return left

    def product(self) -> Node:
        left = self.power()
        while sign := self.take("·", "/"):
            left = Operation(sign, left, self.power())
        return left

    def power(self) -> Node:
        base = self.atom()
        if sign := self.take(*POWERS):
            return Power(sign, base, Number(sign, POWERS[sign]))
        return Power("^", base, self.atom()) if self.take("^") else base

    def atom(self) -> Node:
        kind, token = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")
        self.at += 1
        if kind == "number":
            return Number(token, FRACTIONS[token] if token in FRACTIONS else float(token))
        if token in FUNCTIONS:
            self.expect("(")
            arguments = [self.sum()]
            while self.take(","):
                arguments.append(self.sum())
            self.expect(")")
            return Call(token, tuple(arguments))
        if kind == "name" and token not in KEYWORDS:
            return Symbol(token)
        if token in BRACKETS:
            inner = self.notation()
            self.expect(BRACKETS[token])
            return Bracket(token, inner)
        if token == "Σ":
            return Total(self.power())
        raise NotationError(f"a term expected in place of {token}: {self.text}")
