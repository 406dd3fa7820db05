"""The block of YAML at the top of a model card on the Hugging Face hub: ``model-index``, one entry per model.

Its fields are those of `huggingface_hub.EvalResult`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.contents import Contents, Recipe
from reports.digits import Number, decimals, show
from reports.text import clean

TASK = {"type": "text-to-image", "name": "Text-to-image generation"}


def block(contents: Contents) -> str:
    """YAML between two lines of dashes; every number with its interval, its protocol and how many images it is over."""
    import yaml

    entries = [
        {"name": clean(label), "results": [_result(contents, label)]}
        for label in contents.labels
        if any(row["model"] == label for row in contents.rows)
    ]
    text = yaml.safe_dump({"model-index": entries}, allow_unicode=True, sort_keys=False, width=10_000)
    return f"---\n{text}---\n"


def _result(contents: Contents, label: str) -> dict[str, Any]:
    recipe = next((one for one in contents.recipes if label in one.models), None)
    rows = {row["metric"]: row for row in contents.rows if row["model"] == label and row["slice"] == "all"}
    metrics = [
        _metric(rows[metric.name], metric.title)
        for metric in contents.metrics
        if metric.name in rows and rows[metric.name]["value"] is not None
    ]
    return {"task": dict(TASK), "dataset": _dataset(recipe), "metrics": metrics}


def _dataset(recipe: Recipe | None) -> dict[str, Any]:
    settings: Mapping[str, Any] = recipe.settings if recipe is not None else {}
    name = clean(settings.get("prompts name") or "prompts")
    found: dict[str, Any] = {"name": name, "type": name}
    if revision := settings.get("prompts sha256"):
        found["revision"] = clean(revision)
    return found


def _metric(row: Mapping[str, Any], title: str) -> dict[str, Any]:
    number = Number(row["value"], row["low"], row["high"], int(row["n"] or 0))
    found: dict[str, Any] = {
        "type": clean(row["metric"]),
        "value": row["value"],
        "name": f"{clean(title)}: {show(number, decimals([number]))}, n={number.n}",
        "args": {"protocol": clean(row["protocol"]), "n": number.n},
    }
    if number.low is not None and number.high is not None:
        found["args"] |= {"low": number.low, "high": number.high, "level": 0.95}
    return found
