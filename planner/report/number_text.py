"""Numbers as text: counts, figures of about four digits, GiB, ratios in percent, numbers of parameters and tokens.

Nothing here needs numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.specs.parameters import active_parameters, total_parameters

if TYPE_CHECKING:
    from planner.specs.model import Model


def write_count(value: Any) -> str:
    """A whole number."""
    return str(int(value))


def write_yes(value: Any) -> str:
    """yes or -."""
    return "yes" if value else "-"


def write_figure(value: Any) -> str:
    """A number of about four digits, never in scientific notation below ten million."""
    size = abs(value)
    if size >= 1e7:
        return f"{value:.2e}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 100 else f"{value:.1f}" if size < 1000 else f"{value:.0f}"


def write_gib(value: Any) -> str:
    """GiB to a tenth."""
    return f"{value:.1f}" if value < 10_000 else f"{value:.0f}"


def write_percent(value: Any) -> str:
    """A ratio in percent, to a tenth."""
    return f"{100 * value:.1f}%"


def write_fill(value: Any) -> str:
    """A ratio in whole percent; never 100% for a ratio above 1."""
    percent = 100 * value
    return f"{int(percent) + 1 if value > 1 and int(percent) == 100 else round(percent)}%"


def write_over(value: Any) -> str:
    """GiB in excess of the limit, - for none."""
    return f"+{max(value, 0.1):.1f}" if value > 0 else "-"


def write_size(model: Model) -> str:
    """All parameters, and the active ones of a mixture of experts: 671.0B, 37.6B active."""
    total, active = total_parameters(model), active_parameters(model)
    return f"{write_parameters(total)}, {write_parameters(active)} active" if active < total else write_parameters(total)


def write_parameters(count: float) -> str:
    """A number of parameters: 124M, 8.0B, 671.0B, 1.03T."""
    if count < 1e6:
        return f"{count:,.0f}"
    return f"{count / 1e12:.2f}T" if count >= 1e12 else f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"


def write_tokens(count: float) -> str:
    """A number of tokens: 512M, 300B, 15.6T."""
    if count < 1e6 or count >= 1e16:
        return f"{count:,.0f}" if count < 1e6 else f"{count / 1e12:,.0f}T"
    return f"{count / 1e12:,.4g}T" if count >= 1e12 else f"{count / 1e9:,.4g}B" if count >= 1e9 else f"{count / 1e6:,.4g}M"
