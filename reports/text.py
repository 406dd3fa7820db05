"""Text from outside made harmless: no terminal controls, no markup."""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(  # ECMA-48: CSI and OSC sequences whole, so that no "[31m" is left behind
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # would reorder a table's cells
_MARKUP = re.compile(r"([\\`*_\[\]<>|#&~$])")
_LINE_START = re.compile(r"^(\d*)([-+=.)])(?=\2|\s|$)")  # list items, rules and underlines


def clean(text: object) -> str:
    """Text on one line: white space collapsed; control characters and overrides of direction removed."""
    kept = "".join(
        " " if c.isspace() else c
        for c in _ESCAPE.sub("", str(text))
        if c.isspace() or (unicodedata.category(c) not in ("Cc", "Cs") and c not in _BIDI)
    )
    return " ".join(kept.split())


def markdown(text: object) -> str:
    """Clean text that Markdown shows letter by letter: in a paragraph, a list item or a table cell."""
    escaped = _MARKUP.sub(r"\\\1", clean(text))
    escaped = escaped.replace("://", "\\://").replace("www.", "www\\.")  # GitHub links bare addresses
    return _LINE_START.sub(r"\1\\\2", escaped)
