from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest

ROW = {  # with the columns of evalsuite.rows.Row
    "model": "dit",
    "metric": "hps@scenes",
    "slice": "all",
    "value": 0.5,
    "low": 0.4,
    "high": 0.6,
    "n": 48,
    "unit": "",
    "higher_is_better": True,
    "protocol": "ab12 fp32",
    "method": "bootstrap over prompts",
    "note": "",
}

NASTY = (
    "a [/b] c",
    "[bold red]loud[/bold red]",
    "pipe | pipe || pipe",
    "two\nlines\r\nand\rmore",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "bell \x07 nul \x00 backspace \x08",
    "<script>alert(1)</script> & &lt;b&gt;",
    "`code` ``more`` ```\nfence",
    "*bold* _thin_ __x__ ~~gone~~ $x^2$",
    "![image](http://example.org/x.png) [link](javascript:alert) <http://a.b>",
    "# heading",
    "1. list",
    "- item",
    "+ item",
    "===",
    "---",
    ": --- :",
    "back\\slash \\| \\",
    "مرحبا بالعالم",
    "\u202eright to left override\u202c",
    "猫 🐱 👩‍🚀 é e\u0301",
    "=1+1",
    "    four spaces",
    "https://example.org and www.example.org",
    "x" * 300,
    ":smile: {braces} %s {0}",
    "\ud800 lone",
)


def make_row(**changes: Any) -> dict[str, Any]:
    """A row of scores, hps of dit on the whole run unless changed."""
    return ROW | changes


def make_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the columns of a run's scores."""
    return pd.DataFrame(list(rows), columns=list(ROW), dtype=object)


def make_pair(first: float, second: float, **changes: Any) -> pd.DataFrame:
    """Two models, dit and unet, with intervals of ±0.1."""
    return make_frame(
        make_row(**({"model": model, "value": value, "low": value - 0.1, "high": value + 0.1} | changes))
        for model, value in (("dit", first), ("unet", second))
    )


@pytest.fixture
def row():
    return make_row


@pytest.fixture
def frame():
    return make_frame


@pytest.fixture
def pair():
    return make_pair


@pytest.fixture(params=NASTY, ids=range(len(NASTY)))
def nasty(request):
    return request.param


@pytest.fixture
def corpus():
    return NASTY
