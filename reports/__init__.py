"""Reports: numbers that were computed elsewhere, drawn for the console, Markdown, JSON, CSV and as pictures.

Importing this package is light; pandas, rich, matplotlib and pillow are imported on use. No torch, no evalsuite.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_all"]


def write_all(rows: pd.DataFrame, per_image: pd.DataFrame, context: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write results.json, scores.csv, contact_sheet*.png, v_variance.png and report.md; return their paths.

    Args:
        rows: the scores in long form: model, metric, slice, value, low, high, n, unit, higher_is_better,
            protocol, method, note. A slice is ``all``, ``aspect=16:9`` or ``tag=colour``.
        per_image: one line per image, any columns.
        context: what else the report says, every key optional:
            ``title``: str; ``models``: names in their order, or a mapping of name to description;
            ``prompts``: name of the set, or a mapping that describes it; ``spec``: every setting, by name;
            ``versions``: package to version; ``notes``: sentences; ``command``: what made this run;
            ``gallery``: mappings with model, prompt_id, text, aspect, width, height, index, file;
            ``curves``: a table of model, series ("guided variance", "conditional variance",
            "guided deviation", "conditional deviation"), t in [0, 1] and value; drawn, and kept in results.json.
        folder: an existing run folder; sheets of an earlier, longer report are removed.

    Raises:
        ValueError: two rows claim the same model, metric, slice and protocol.
        OSError: a file cannot be written.
    """
    from reports import curves, files, markdown, sheet

    pictures = [*sheet.write_sheets(context.get("gallery", ()), folder, context)]
    pictures += curves.write_curves(context.get("curves"), folder)
    return [
        files.write_json(rows, context, folder / "results.json"),
        files.write_csv(per_image, folder / "scores.csv"),
        *pictures,
        files.write_text(markdown.report(rows, context, [path.name for path in pictures]), folder / "report.md"),
    ]
