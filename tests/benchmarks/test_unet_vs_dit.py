from __future__ import annotations

from pathlib import Path

import pytest
import unet_vs_dit
from unet_vs_dit import Step


def test_commands_are_said_without_the_folders_of_one_machine():
    assert unet_vs_dit.said(("compare", "/tmp/x/run:dit", "/tmp/x/run:unet")) == "evalsuite compare run:dit run:unet"
    assert unet_vs_dit.said(("run", "--output-dir", "/tmp/x/run")) == "evalsuite run --output-dir run"


@pytest.mark.parametrize(
    ("section", "expected"),
    [(None, []), ("", ["", "first"]), ("Second", ["", "| a |\n| - |"])],
)
def test_the_first_page_repeats_a_section_without_headings_and_pictures(section: str | None, expected: list[str]):
    page = "`evalsuite x`\n\n# Title\n\nfirst\n\n![p](p.png)\n\n## Second\n\n| a |\n| - |\n\n## Third\n\nno\n"
    assert unet_vs_dit.lead(Step("x", "X", ("x",), lead=section), page) == expected


def test_a_page_keeps_its_small_files_and_shows_no_picture_that_is_not_there(tmp_path: Path):
    work = tmp_path / "work" / "x"
    work.mkdir(parents=True)
    for name in ("a.png", "b.csv", "c.bin", "d.md"):
        (work / name).write_bytes(b"1")
    page = f"![a](a.png)\n\n![gone](gone.png)\n\ntext of {tmp_path}/work/run\n"
    unet_vs_dit.keep(Step("x", "X", ("x", "y")), tmp_path / "work", tmp_path / "out", page)
    out = tmp_path / "out" / "x"
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "a.png", "b.csv"]
    assert (out / "README.md").read_text() == "`evalsuite x y`\n\n![a](a.png)\n\ntext of run\n"


def test_the_first_page_names_the_seed_and_who_wins_what(tmp_path: Path):
    compared = {
        "headline": "dit is better on m",
        "differences": [
            {"slice": "all", "metric": "m", "sentence": "dit is better (by 1)"},
            {"slice": "aspect=1:1", "metric": "m", "sentence": "not seen"},
        ],
    }
    steps = [Step("x", "Title", ("x",), ("a.png",), "")]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "README.md").write_text("`evalsuite x`\n\nsaid\n")
    page = unet_vs_dit.page(steps, compared, 7, tmp_path)
    assert "one training seed of each" in page
    assert "**dit is better on m**\n\n- `m`: dit is better (by 1)\n\n## Title" in page
    assert "not seen" not in page
    assert page.index("said") < page.index("![a.png](x/a.png)")
