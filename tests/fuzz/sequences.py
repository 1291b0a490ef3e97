"""Bytes that terminals send, should never send, and cut in the middle."""

from __future__ import annotations

from random import Random

LONE = 0.4  # seconds after which an escape that nothing followed is taken for the key
DIGITS = (
    "0",
    "1",
    "2",
    "5",
    "8",
    "27",
    "48",
    "57",
    "97",
    "255",
    "2026",
    "55296",
    "57358",
    "1114111",
    "1114112",
    "99999999",
    "-1",
    "",
    "9" * 30,
    "x",
)
FINALS = "ABCDEFGHIJKLMPQRSTUXZabcdefghiklmnpqrstuxyz~^@$`"
STRINGS = (b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX")  # starts of strings with an explicit terminator
BROKEN = (
    b"\x1b", b"\x1b[", b"\x1b[999999999999A", b"\x1b[<0;10;10M", b"\x1b[<0;10;10m", b"\x1b[<64;9999;9999M", b"\x1b[<;;M", b"\x1b[M !!",
    b"\x1b[M", b"\x1b[?2026;2$y", b"\x1b[?9;9;9$y", b"\x1b[I", b"\x1b[O", b"\x1b[48;40;120;800;1200t", b"\x1b[48;0;0;0;0t",
    b"\x1b[48;-1;x;t", b"\x1b[48;2000;2000;1;1t", b"\x1b[48;99999;99999;1;1t", b"\x1b[48;1;9999999999;1;1t", b"\x1b]52;c;AAAA\x07",
    b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\", b"\x1bP>|xterm\x1b\\", b"\x1bP" + b"z" * 300, b"\x1b_G\x1b\\", b"\x1b[201~", b"\xff\xfe\xc3\x28",
    b"\xc3", b"\xf0\x9f\x98\x80", b"\xf0\x9f", b"\xed\xa0\x80", "é١٢²\u202e".encode(), b"\x00\x00", b"\x1b[1;1R", b"\x1b[97;5u",
    b"\x1b[57358u", b"\x1b[99999999u", b"\x1b[1114112u", b"\x1b[55296;1u", b"\x1b[27;5;106~", b"\x9b31m", b"\x1b[" + b"1;" * 500 + b"m",
    b"\x1b[?1;2c", b"\x1b[>0;276;0c", b"\x1bO", b"\x1bOP", b"\x1b[[A", b"\xe9", b"\x80",
)  # fmt: skip


def random_bytes(rng: Random) -> bytes:
    """Any bytes."""
    return bytes(rng.randrange(256) for _ in range(rng.choice((1, 5, 40))))


def paste(rng: Random) -> bytes:
    """A bracketed paste of a few lines or of one long line, now and then without its end."""
    inner = rng.choice((b"pasted tp=8\n\r\x1b[31mred", b"x" * 100, b"y" * 3000, "é".encode() * 700, b"\x00\xff", b"a\tb\x1b[200~c"))
    return b"\x1b[200~" + inner + (b"\x1b[201~" if rng.random() < 0.8 else b"")


def sequence(rng: Random) -> bytes:
    """A sequence of a terminal: sound, odd or broken."""
    way = rng.random()
    if way < 0.5:
        parts = rng.choice((";", ";", ":")).join(rng.choice(DIGITS) for _ in range(rng.choice((0, 1, 1, 2, 3, 5))))
        private, between = rng.choice(("", "", "?", "<", ">", "=", "!")), rng.choice(("", "", "$", " "))
        return f"\x1b[{private}{parts}{between}{rng.choice(FINALS)}".encode()
    if way < 0.6:
        return paste(rng)
    if way < 0.7:
        inner = bytes(rng.choice(b"0123;:abrg/=?") for _ in range(rng.choice((0, 3, 30))))
        return rng.choice(STRINGS) + inner + rng.choice((b"\x07", b"\x1b\\", b""))
    if way < 0.8:
        return b"\x1b[M" + bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 3, 3, 4))))
    return random_bytes(rng) if way < 0.9 else rng.choice(BROKEN)
