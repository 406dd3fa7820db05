"""Numbers of a survey in short words, for tables."""

from __future__ import annotations

from math import floor, log10

from reports.digits import MISSING, TIMES

PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E", 21: "Z"}


def si(value: float | None, unit: str = "") -> str:
    """Three digits with a prefix: ``2.44 G``, ``16.1 MB``, ``65 ms``; a dash where there is no value."""
    if value is None:
        return MISSING
    if value == 0:
        return f"0 {unit}".rstrip()
    power = min(max(3 * floor(log10(abs(value)) / 3), min(PREFIXES)), max(PREFIXES))
    short = three(value / 10.0**power)
    if short == "1000" and power < max(PREFIXES):
        power, short = power + 3, "1.00"
    return f"{short} {PREFIXES[power]}{unit}".rstrip()


def three(value: float) -> str:
    """Three digits, or all of those before the point."""
    decimals = 2 - floor(log10(abs(value))) if value else 0
    text = f"{value:.{max(0, decimals)}f}"
    return text if decimals >= 0 else f"{value:.0f}"


def times(value: float | None) -> str:
    """Three digits after a sign of multiplication; a dash where there is no value."""
    return MISSING if value is None else f"{TIMES}{three(value)}"


def percent(part: float | None, whole: float | None) -> str:
    """``19 %``, ``0.4 %``; a dash where there is nothing to divide by, or nothing of it."""
    if not part or not whole:
        return MISSING
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 9.5 else f"{share:.1f} %" if share >= 0.05 else "<0.1 %"
