import io

from rich.console import Console

from reports import console


def render(rows, width=100, **options):
    output = io.StringIO()
    terminal = Console(file=output, width=width, force_terminal=True, color_system="standard")
    terminal.print(console.table(rows, **options))
    return output.getvalue()


def test_the_best_is_bold_and_starred(pair):
    text = render(pair(0.5, 0.7))
    assert "\x1b[1m0.70 ±0.10 *\x1b[0m" in text
    assert "\x1b[1m0.50" not in text
    assert "marks the best" in text


def test_without_a_best_nothing_is_said_about_it(pair):
    text = render(pair(0.5, 0.7, higher_is_better=None))
    assert "*" not in text
    assert "Intervals are 95 %." in text


def test_every_value_is_readable_on_eighty_columns(frame, row):
    metrics = ("hps@scenes", "clip_score@scenes", "clip_direction@scenes", "fid@scenes", "v_variance")
    rows = frame(
        row(model=model, metric=metric, slice=slice_, value=0.412, low=0.381, high=0.443)
        for metric in metrics
        for model in ("dit", "unet")
        for slice_ in ("all", "aspect=1:1", "aspect=16:9")
    )
    lines = render(rows, width=80).splitlines()
    assert sum(line.count("0.412 ±0.031") for line in lines) == len(rows)
    assert all(any(metric in line for line in lines) for metric in metrics)
    assert not any("…" in line for line in lines)


def test_notes_stand_below(pair):
    text = render(pair(0.5, 0.7, note="few images"), notes=["two images were not finite"])
    assert text.index("0.70") < text.index("two images were not finite") < text.index("hps@scenes: few images")


def test_no_scores_are_said_so(frame):
    assert "No scores." in render(frame([]), title="empty")
