"""Values as text: scaled, with their unit, in about as many digits as are significant."""

from __future__ import annotations


def write(value: float, unit: str) -> str:
    """A value in a readable unit: 79.65 GiB, 12.3 ms, 989 TFLOP/s, 16,384."""
    if unit == "B":
        return _scaled(value, "B", 1024.0, ("", "Ki", "Mi", "Gi", "Ti", "Pi"))
    if unit == "s" and value >= 7200:
        return f"{value / 86400:,.4g} days" if value >= 2 * 86400 else f"{value / 3600:.3g} hours"
    if unit == "s" and value >= 600:
        return f"{value / 60:.3g} min"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"
    if unit == "$":
        return f"${write_amount(value)}"
    if unit == "t":
        return f"{value:,.4g} t"
    if unit:
        return _scaled(value, unit, 1000.0, ("", "k" if unit in ("W", "Wh", "g") else "K", "M", "G", "T", "P", "E", "Z", "Y"))
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def write_amount(value: float) -> str:
    """Money or hours, in about as many digits as are significant: 9,586.54, 84,334, 71.81M."""
    if abs(value) < 1e4:
        return f"{value:,.2f}"
    return f"{value:,.0f}" if abs(value) < 1e6 else f"{value / 1e6:,.4g}M" if abs(value) < 1e9 else f"{value / 1e9:,.4g}B"


def _scaled(value: float, unit: str, step: float, prefixes: tuple[str, ...]) -> str:
    power = 0
    while abs(value) >= step and power < len(prefixes) - 1:
        value, power = value / step, power + 1
    return f"{value:.4g} {prefixes[power]}{unit}"
