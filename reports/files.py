"""Files for machines: results.json and scores.csv, the same bytes for the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.tables import plain, records

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would calculate such a cell (OWASP ASVS 1.2.10)
_KEPT = ("title", "models", "prompts", "spec", "versions", "notes")


def write_text(text: str, path: Path) -> Path:
    """Write UTF-8 with Unix lines, in one step: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode("utf-8", "backslashreplace"))  # lone surrogates: "\\udc80" is JSON's own form
    return partial.replace(path)


def write_json(rows: pd.DataFrame, context: Mapping[str, Any], path: Path) -> Path:
    """All rows with what is needed to reproduce them: keys sorted, rows ordered, NaN as null, no time of day."""
    ordered = sorted(records(rows), key=lambda row: [str(row[k]) for k in ("model", "metric", "slice", "protocol")])
    document = {key: plain(context[key]) for key in _KEPT if key in context} | {"schema": SCHEMA, "rows": ordered}
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return write_text(text + "\n", path)


def write_csv(per_image: pd.DataFrame, path: Path) -> Path:
    """Scores per image (RFC 4180 quoting). Text that a spreadsheet would calculate gets a leading apostrophe."""
    table = [list(per_image.columns), *per_image.itertuples(index=False, name=None)]
    return write_text("".join(",".join(_cell(plain(value)) for value in row) + "\n" for row in table), path)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if not isinstance(value, str):
        strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
        value = ";".join(value) if strings else json.dumps(value, ensure_ascii=False)
    text = value.replace("\0", "")
    text = f"'{text}" if text.startswith(_FORMULA) else text
    # The csv module leaves a lone carriage return bare, and what follows it would begin a row of its own.
    return '"{}"'.format(text.replace('"', '""')) if any(c in text for c in ',"\r\n') else text
