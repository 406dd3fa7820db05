"""Scored run folders with small images, and a word of the tester's in every text that a report shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import made_cards
import numpy as np
from PIL import Image

from evalsuite import scorecard
from evalsuite.digest import canonical, digest
from evalsuite.records import pixel_sha256
from evalsuite.scorecard import MetricScores, Scorecard

HOSTILE = (
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>",
    '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", '" onfocus="alert(1)" autofocus x="',
    "<!-- ", "-->", "<![CDATA[x]]>", "]]>", "<iframe src=//evil.example></iframe>", "<base href=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<form action=//evil.example><button>go", "<style>*{display:none}</style>", "<plaintext>", "<noscript><p title='",
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "{{ 7 * 7 }}", "{% raw %}", "{# note #}",
    "${alert(1)}", "`alert(1)`", "&lt;b&gt; &amp; &#x3c;script&#x3e;", "\x1b[31mred\x1b]0;title\x07 \x9b2J",
    "nul \x00 bell \x07 backspace \x08", "\u202eright to left\u202c", "line\u2028and\u2029paragraph",
    "two\nlines\r\nthree\ttabs", "\ud800 lone", "猫 👩‍🚀 مرحبا e\u0301", "x" * 3000, "a long prompt " * 400, "=1+1",
    r"\input{/etc/passwd} \write18{id}",
    "50% & $5 #1 a_b {c} ~d ^e | \\f", "[link](javascript:alert(1)) **b** | c", "'; DROP TABLE runs; --",
    "<<<>>>&&&\"\"''",
)  # fmt: skip


def with_word(card: Scorecard, word: str) -> Scorecard:
    """The card, with a word at the end of every text that is shown."""
    said = f" {word}".rstrip(" ") if word else ""
    images = tuple(
        replace(image, text=f"{image.text}{said}", tags=tuple(f"{tag}{said}" for tag in image.tags))
        for image in card.images
    )
    model = f"{card.model}{said}"
    metrics = {f"{name}{word}": _metric(metric, said, word, model) for name, metric in card.metrics.items()}
    run = {
        "title": f"made{said}",
        "prompts": {"name": f"made{said}", "count": 8, "sha256": "0"},
        "spec": {"steps": 20, f"key{said}": f"value{said}", "machine": f"cpu{said}", "metrics": [f"hps@scenes{word}"]},
        "versions": {f"package{said}": f"1.0{said}"},
        "command": f"evalsuite run{said}",
    }
    return Scorecard(model, f"{card.about}{said}", run, images, metrics)


def _metric(metric: MetricScores, said: str, word: str, model: str) -> MetricScores:
    rows = tuple(
        replace(
            row,
            model=model,
            metric=f"{row.metric}{word}",
            slice=f"{row.slice}{said}" if row.slice.startswith("tag=") else row.slice,
            unit=f"{row.unit}{said}",
            protocol=f"{row.protocol}{said}",
            method=f"{row.method}{said}",
            note=f"a note{said}",
        )
        for row in metric.rows
    )
    changes = {"name": f"{metric.name}{word}", "title": f"{metric.title}{said}", "unit": f"{metric.unit}{said}"}
    influences = {
        f"{part}{said}" if part.startswith("tag=") else part: found for part, found in metric.influences.items()
    }
    return replace(metric, **changes, protocol=f"{metric.protocol}{said}", rows=rows, influences=influences)


def write_run(
    folder: Path, models: tuple[str, ...] = ("dit", "unet"), *, word: str = "", shift: float = 3.0, prompts: int = 8
) -> Path:
    """A run folder of models; the first scores ``shift`` more than the others, and all have records and curves."""
    (folder / "images").mkdir(parents=True)
    (folder / "records").mkdir()
    cards = []
    for number, model in enumerate(models):
        made = made_cards.card(model, prompts, shift=0.0 if number else shift, noise=number + 1)
        card = with_word(made, word)
        card = replace(card, images=tuple(_with_file(folder, image, number) for image in card.images))
        cards.append(card)
        _write_record(folder, number, card)
    scorecard.write(folder, cards)
    points = [
        {"model": card.model, "series": series, "t": t, "value": 1.0 + t * (number + 1)}
        for number, card in enumerate(cards)
        for series in ("guided variance", "conditional variance")
        for t in (0.0, 0.5, 1.0)
    ]
    (folder / "results.json").write_bytes(canonical({"curves": points}))
    return folder


def _with_file(folder: Path, image: Any, number: int) -> Any:
    rgb = np.full((image.height, image.width, 3), 40 + 90 * number, np.uint8)
    rgb[:, : image.width // 2, int(image.prompt_id[1:]) % 3] = 7 * int(image.prompt_id[1:]) % 256
    pixels = pixel_sha256(rgb)
    Image.fromarray(rgb).save(folder / "images" / f"{pixels}.png")
    return replace(image, file=f"images/{pixels}.png", pixel_sha256=pixels)


def _write_record(folder: Path, number: int, card: Scorecard) -> None:
    record = {
        "unit": f"u{number}",
        "model": card.model,
        "width": 64,
        "height": 64,
        "batch": 4,
        "seconds": 16.0,
        "images": [{"job": image.id} for image in card.images if image.width == 64],
    }
    (folder / "records" / f"{number}.json").write_bytes(canonical(record | {"sha256": digest(record)}))
