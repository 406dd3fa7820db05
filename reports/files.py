"""Files for machines: results.json and scores.csv, the same bytes for the same numbers."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.tables import plain, records

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
# Whoever opens the run folder next sweeps what a killed write left, by this prefix: it must be the one that
# evalsuite.files has, which reports may not import.
TEMPORARY = ".tmp-"
_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would calculate such a cell (OWASP ASVS 1.2.10)
_BREAK = re.compile("\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")  # a space instead keeps words apart
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_KEPT = ("title", "models", "prompts", "spec", "versions", "notes", "comparison")


def write_text(text: str, path: Path) -> Path:
    """Write UTF-8 with Unix lines, as `write_bytes` does."""
    return write_bytes(text.encode("utf-8", "backslashreplace"), path)  # lone surrogates: "\\udc80" is JSON's own form


def write_bytes(data: bytes, path: Path) -> Path:
    """Write in one step: a reader sees the old file or the new one. A link at path is replaced, not followed.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            return temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # the reader knows nothing of temporaries
        raise


def write_json(rows: pd.DataFrame, context: Mapping[str, Any], path: Path) -> Path:
    """All rows and curves with what is needed to reproduce them: everything sorted, NaN as null, no time of day."""
    ordered = sorted(records(rows), key=lambda row: [str(row[k]) for k in ("model", "metric", "slice", "protocol")])
    document = {key: plain(context[key]) for key in _KEPT if key in context} | {"schema": SCHEMA, "rows": ordered}
    curves = context.get("curves")
    if curves is not None:
        points = records(curves[["model", "series", "t", "value"]])
        document["curves"] = sorted(points, key=lambda point: (point["model"], point["series"], point["t"]))
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return write_text(text + "\n", path)


def write_csv(per_image: pd.DataFrame, path: Path) -> Path:
    """Scores per image, one line each (RFC 4180 quoting).

    Text loses its control characters; where a spreadsheet would calculate it, it gets a leading apostrophe.
    """
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
    text = _CONTROL.sub("", _BREAK.sub(" ", value))
    text = f"'{text}" if text.lstrip().startswith(_FORMULA) else text
    return '"{}"'.format(text.replace('"', '""')) if any(c in text for c in ',"') else text
