"""Which curves are drawn: of the bank, of the paths, and of the differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evalsuite.difference import Difference
from evalsuite.probe.quantities import FIELDS, QUANTITIES
from evalsuite.rows import Row
from reports.time_panels import Curve, Panel, write_panels

ON_BANK = ("mse", "r2", "slope", "v_noise", "bias", "noise")
ON_PATHS = ("s", "cosine", "change")
TITLES: Mapping[str, str] = {"s": "Deviation from the mean velocity", "mse": "Error of the velocity (MSE)"}
LINES: Mapping[str, tuple[float, str]] = {"slope": (1.0, ", 1 is calibrated"), "v_noise": (1.0, ", line: V_target")}
UNITS = {"squared latent": "squared latent units", "per unit time": "per unit of time"}
WORDS = {
    "conditional": FIELDS["conditional"],
    "unconditional": FIELDS["unconditional"],
    "guided": "what guidance makes of the two; no conditional expectation",
}


def draw(rows: Sequence[Row], differences: Sequence[Difference], labels: Sequence[str], folder: Path) -> list[Path]:
    """Draw what there is into a folder; see `reports.time_panels.write_panels`.

    Args:
        rows: of all models.
        differences: of all pairs.
        labels: of the models, in the order of their colours.
        folder: that exists.
    """
    curves = _curves(((row.model, row.metric, row.slice, row.value, row.low, row.high) for row in rows), labels)
    pairs = [f"{d.first} \u2212 {d.second}" for d in differences]
    names = list(dict.fromkeys(pairs))
    cells = zip(pairs, differences, strict=True)
    apart = _curves(((pair, d.metric, d.slice, d.value, d.low, d.high) for pair, d in cells), names)
    bank = [_panel(key, curves) for key in ON_BANK]
    path = [_panel(key, curves) for key in ON_PATHS]
    both = [_panel(key, apart, "Difference: ") for key in (*ON_BANK[:4], *ON_PATHS[:2])]
    return [
        *write_panels(bank, folder, "bank-curves", 3, WORDS),
        *write_panels(path, folder, "path-curves", 3, WORDS),
        *write_panels(both, folder, "difference-curves", 3, WORDS),
    ]


Cell = tuple[str, str, str, float | None, float | None, float | None]


def _curves(cells: Iterable[Cell], names: Sequence[str]) -> dict[str, list[Curve]]:
    """Curves by metric: of every name, the times of its slices with value, low and high."""
    points: dict[str, dict[str, list[tuple[float, float | None, float | None, float | None]]]] = {}
    for name, metric, part, value, low, high in cells:
        kind, _, at = part.partition("=")
        if kind == "t":
            points.setdefault(metric, {}).setdefault(name, []).append((float(at), value, low, high))
    field_of = {quantity.metric(field): field for quantity in QUANTITIES.values() for field in FIELDS}
    return {
        metric: [
            Curve(name, names.index(name), field_of[metric], *zip(*several, strict=True))
            for name, several in by_name.items()
        ]
        for metric, by_name in points.items()
    }


def _panel(key: str, curves: Mapping[str, list[Curve]], before: str = "") -> Panel:
    quantity = QUANTITIES[key]
    found = [curve for field in FIELDS for curve in curves.get(quantity.metric(field), [])]
    line, words = (0.0, "") if before else LINES.get(key, (None, ""))
    title = TITLES.get(key, quantity.title)
    unit = UNITS.get(quantity.unit, "" if quantity.unit == "1" else quantity.unit)
    return Panel(f"{before}{title}{words}", unit, found, line)
