"""Hashes of plain data, the same on every machine."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any


def canonical(data: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8. Refuses NaN and infinity with ValueError."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def digest(data: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return sha256(canonical(data)).hexdigest()
