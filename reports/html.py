"""The report as one HTML file: it opens from disk, asks nobody for anything, and shows all numbers without its script.

Text from outside is escaped by the templates, and one line without control characters. Style and script are the
package's own and the only ones that the page's policy (Content-Security-Policy) lets run.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import gallery, heat, html_table, line_chart, recipe, verdict
from reports.contents import Contents, Cost
from reports.digits import TIMES
from reports.text import clean

FOLDER = Path(__file__).parent / "templates"
UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def page(contents: Contents) -> str:
    """The whole file, the same for the same contents.

    Args:
        contents: of the report; its images are those to show.
    """
    style, script = _asset("report.css"), _asset("report.js")
    lines = html_table.lines(contents)
    pictures = gallery.gallery(contents)
    directed = {metric.name for metric in contents.metrics if metric.higher_is_better is not None}
    alone = len(contents.models) == 1
    numbers = {line.title: line.values[0].text for line in lines if line.name in directed} if alone else {}
    compared = contents.comparison
    return _templates().get_template("page.html.j2").render(
        policy=policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=json_for_script(pictures.data),
        contents=contents,
        compared=compared,
        two=compared is not None and len(compared["labels"]) == 2,
        verdict=verdict.verdict(contents, numbers),
        facts=facts(contents),
        lines=lines,
        clashes=html_table.clashes(contents),
        heat_maps=heat.heat_maps(contents),
        charts=line_chart.charts(contents.curves, contents.labels),
        chart=line_chart,
        costs=costs(contents.costs),
        gallery=pictures,
        settings=recipe.settings(contents.recipes),
        wide=html_table.WIDE,
    )  # fmt: skip


def policy(style: str, script: str) -> str:
    """Content-Security-Policy: the page's own style and script by their hashes, pictures within it, nothing else."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode("ascii") for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def json_for_script(data: Mapping[str, Any]) -> Markup:
    """Data inside ``<script type="application/json">``: no text in it can end the element."""
    text = json.dumps(_clean(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(UNSAFE))


def facts(contents: Contents) -> list[tuple[str, str]]:
    """What a reader asks first: how many images, prompts, ratios, and whether the models share their noise."""
    planned, scored = (sum(getattr(model, name) for model in contents.models) for name in ("planned", "scored"))
    found = [("Images scored", f"{scored:,} of {planned:,}")]
    compared = contents.comparison
    if compared is not None and (whole := verdict.whole_of(compared)):
        widest = max(whole, key=lambda d: d["prompts"])
        found.append(("Prompts compared", f"{widest['prompts']:,}"))
        found.append(("Prompt families", f"{widest['clusters']:,}"))
    if aspects := list(dict.fromkeys(row["slice"] for row in contents.rows if row["slice"].startswith("aspect="))):
        ratios = [aspect.partition("=")[2] for aspect in aspects]
        shown = ", ".join(ratios) if len(ratios) <= 4 else f"{len(ratios)}, from {ratios[0]} to {ratios[-1]}"
        found.append(("Aspect ratios", shown))
    if compared is not None:
        same, pairs = compared["seeds"]["same"], sum(compared["seeds"].values())
        found.append(("Pairs from the same noise", f"{same:,} of {pairs:,}"))
    return found


def costs(known: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Lines of the table of costs: model, size, images, seconds per image, minutes in all, batch, device."""
    return [
        (
            cost.model,
            f"{cost.width} {TIMES} {cost.height}",
            f"{cost.images:,}",
            verdict.amount(cost.seconds / cost.images, 2 if cost.seconds < 10 * cost.images else 1),
            f"{cost.seconds / 60:,.1f}",
            str(cost.batch),
            cost.device,
        )
        for cost in known
        if cost.images
    ]


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )


def _finalized(value: Any) -> Any:
    """What a template writes: own markup as it is, all else as clean text, which is escaped afterwards."""
    return value if isinstance(value, Markup) else clean(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value
