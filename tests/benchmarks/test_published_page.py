from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import draw_ratios
import publish
import pytest
from collect import collect
from page import page, quantity, seconds, significant

Make = Callable[..., dict[str, Any]]
PLOTS = ("ratios.svg", "ratios.png", "scaling.svg", "scaling.png")
CURVE = {
    "benchmark": "scaling",
    "panel": "evalsuite generate",
    "name": "1 process",
    "axes": ["images", "seconds"],
    "clock": "wall_s",
    "points": [{"x": x, "cpu_s": x * 0.1 + 2, "wall_s": x * 0.1 + 3, "rounds": 3} for x in (8, 32, 128)],
}


@pytest.fixture
def raw(tmp_path: Path, document: Make, contenders: list[Any], quiet: Mapping[str, Any]) -> Path:
    """A folder with the JSON of two measurements."""
    (tmp_path / "raw").mkdir()
    two = [CURVE, CURVE | {"name": "2 processes"}]
    for name, made in {
        "frechet": document(contenders, run=quiet),
        "scaling": document((), (), two, run={**quiet, "contended": True, "command": "scaling.py"}),
    }.items():
        (tmp_path / "raw" / f"{name}.json").write_text(json.dumps(made))
    return tmp_path


def test_publishing_writes_table_and_plots_and_the_same_bytes_again(raw: Path):
    publish.publish(raw, rehearsal=False)
    names = ("README.md", "results.json", *PLOTS)
    first = {name: (raw / name).read_bytes() for name in names}
    publish.publish(raw, rehearsal=False)
    assert {name: (raw / name).read_bytes() for name in names} == first
    assert first["ratios.png"].startswith(b"\x89PNG")
    assert len(json.loads(first["results.json"])["rows"]) == 5


def test_plots_show_the_numbers_and_go_with_them(raw: Path, document: Make, contenders: list[Any]):
    drawn = []
    for value in (8.0, 8.2):
        rows = [row | {"source": "frechet", "ratio": row["ratio"] and row["ratio"]["cpu_s"]} for row in contenders]
        rows[1]["ratio"]["value"] = value
        draw_ratios.draw(rows, raw)
        drawn.append((raw / "ratios.svg").read_bytes())
    assert b"<svg" in drawn[0]
    assert drawn[0] != drawn[1]
    for file in (raw / "raw").iterdir():
        file.write_text(json.dumps(document(contenders[:1])))
    publish.publish(raw, rehearsal=False)
    assert not any((raw / name).exists() for name in PLOTS)
    assert "ratios.svg" not in (raw / "README.md").read_text()


def test_a_measurement_made_elsewhere_joins_in(raw: Path, document: Make, contenders: list[Any]):
    elsewhere = document([row | {"clock": "wall_s", "benchmark": "sampling"} for row in contenders], contended=False,
                         gpu="A GPU", driver_version="1.2")  # fmt: skip
    (raw / "raw" / "sampling-xl2.json").write_text(json.dumps(elsewhere))
    publish.publish(raw, rehearsal=False)
    text = (raw / "README.md").read_text()
    assert "| sampling-xl2 | M2 |" in text
    assert "A GPU, 1.2" in text


def lines_of(text: str, word: str) -> list[list[str]]:
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if word in line and line.startswith("|")]
    return [[cell.strip() for cell in line] for line in cells]


def test_every_row_is_on_the_page_the_losing_ones_too(document: Make, contenders: list[Any], quiet: Mapping[str, Any]):
    text = page(collect({"frechet": document(contenders, run=quiet)}))
    assert "Goals: 1 met, 0 undecided, 1 missed." in text
    (slow,) = lines_of(text, "slow")
    assert slow[1:6] == [r"slow \| peer", "4.00 s / call", "2.00 s / call"] + ["8.00 [7.50, 8.50], n = 3"] * 2
    assert slow[8] == "7: met"
    (quick,) = lines_of(text, "quick peer")
    assert quick[2] == "250 ms / call"
    assert quick[8] == "2: missed"
    (other,) = lines_of(text, "other work")
    assert (other[4], other[7], other[9]) == ("—", "3.0e-01 relative", "different work")
    (absent,) = lines_of(text, "absent")
    assert (absent[2], absent[9]) == ("—", "not run: hpsv2 is not installed")
    assert lines_of(text, "**ours**")[0][6] == "60%"
    assert "torch 2.10.0.\n" in text  # and nothing of what is not installed


def test_a_busy_machine_shows_no_wall_times(document: Make, contenders: list[Any], quiet: Mapping[str, Any]):
    text = page(collect({"frechet": document(contenders, run={**quiet, "contended": True})}), rehearsal=True)
    (slow,) = lines_of(text, "slow")
    assert (slow[3], slow[5]) == ("—", "—")
    assert slow[4].startswith("8.00")
    assert "**contended**" in text
    assert "rehearsal" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.50"), (0.0123456, "0.0123"), (1234.5, "1,230"), (99.96, "100"), (0.0, "0"), (-2, "-2.00")],
)
def test_numbers_have_three_digits_and_no_powers_of_ten(value: float, text: str):
    assert significant(value) == text


def test_times_have_a_unit_of_their_own_size():
    assert [seconds(value, "") for value in (12.0, 0.5, 2e-6, None)] == ["12.0 s", "500 ms", "2.00 µs", "—"]
    assert quantity(0.002, "s per image") == "2.00 ms / image"
    assert quantity(0.5, "share") == "50.0%"
    assert quantity(3.0, "MiB") == "3.00 MiB"
