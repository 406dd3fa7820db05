from reports import markdown


def test_the_comparison_has_values_intervals_n_and_protocol(pair):
    text = markdown.report(pair(0.5, 0.7), {"models": ["unet", "dit"], "title": "Two models"})
    assert text.startswith(
        "# Two models\n\n| Metric | unet | dit | n | Protocol |\n| --- | ---: | ---: | ---: | --- |\n"
    )
    assert "| hps@scenes ↑ | **0.70 ±0.10** | 0.50 ±0.10 | 48 | ab12 fp32 |" in text
    assert "- hps@scenes: bootstrap over prompts" in text


def test_slices_have_their_own_tables(pair, frame):
    rows = [row for name in ("aspect=16:9", "tag=colour") for row in pair(0.5, 0.7, slice=name).to_dict("records")]
    text = markdown.report(frame(rows), {})
    assert "## By aspect ratio\n\n| Metric | Aspect ratio | dit | unet | n |" in text
    assert "| hps@scenes ↑ | 16:9 | 0.50 ±0.10 | **0.70 ±0.10** | 48 |" in text
    assert "## By tag\n\n| Metric | Tag | dit | unet | n |" in text


def test_the_recipe_lists_every_setting(frame):
    context = {
        "models": {"dit": "sha256 ab"}, "prompts": {"name": "smoke", "count": 16}, "versions": {"torch": "2.14.1"},
        "spec": {"steps": 20, "limit": None, "aspects": ("1:1", "3:2"), "sizes": {"1:1": [256, 256]}, "tf32": False},
    }  # fmt: skip
    text = markdown.report(frame([]), context)
    for line in (
        "| model dit | sha256 ab |", "| prompt set name | smoke |", "| prompt set count | 16 |", "| steps | 20 |",
        "| limit | — |", "| aspects | 1:1, 3:2 |", "| sizes 1:1 | 256, 256 |", "| tf32 | false |",
        "| version of torch | 2.14.1 |",
    ):  # fmt: skip
        assert line in text


def test_a_command_cannot_leave_its_code_block(frame):
    text = markdown.report(frame([]), {"command": "run \\\n  --prompts '```\n# boo'"})
    assert text.endswith("## Reproduce\n\n````sh\nrun \\\n--prompts '```\n# boo'\n````\n")


def test_pictures_are_shown_and_further_sheets_linked(frame):
    text = markdown.report(frame([]), {}, ["contact_sheet.png", "contact_sheet-2.png", "v_variance.png"])
    assert "](contact_sheet.png)" in text
    assert "More: [sheet 2](contact_sheet-2.png)" in text
    assert "](v_variance.png)" in text
    assert "png" not in markdown.report(frame([]), {})
