import math

import numpy as np
import pandas as pd
import pytest

from reports.digits import Number, decimals, show
from reports.tables import clashes, kinds, notes_of, pivot, plain, records


def best(frame, **options):
    """Per line, the models that are marked."""
    table = pivot(records(frame), **options)
    return [{model for model, cell in zip(table.models, line.cells, strict=True) if cell.best} for line in table.lines]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Number(0.41234, 0.38134, 0.44334, 9), "0.412 ±0.031"),
        (Number(0.41234, 0.371, 0.434, 9), "0.412 [0.371, 0.434]"),
        (Number(61.24, 58.0, 71.0, 9), "61.2 [58.0, 71.0]"),
        (Number(1234.5, 1111.1, 1357.9, 9), "1234 ±123"),
        (Number(0.0, -0.5, 0.5, 9), "0.00 ±0.50"),
        (Number(-0.0001, -0.5, 0.5, 9), "0.00 ±0.50"),
        (Number(0.7, 0.7, 0.7, 9), "0.7000 ±0.0000"),
        (Number(31.2468, None, None, 9), "31.25"),
        (Number(0.0123456, None, None, 9), "0.01235"),
        (Number(None, None, None, 0), "—"),
        (Number(None, 0.1, 0.2, 3), "—"),
        (Number(0.5, 0.6, 0.4, 9), "0.5000"),
        (Number(0.5, 0.52, 0.58, 9), "0.500 [0.520, 0.580]"),
        (Number(4.21e-9, 4.01e-9, 4.41e-9, 9), "(4.21 ±0.20)e-9"),
        (Number(4.21e-9, None, None, 9), "4.210e-9"),
        (Number(0.0, 0.0, 4e-9, 9), "(0.0 [0.0, 4.0])e-9"),
        (Number(0.7123, 0.7123 - 1e-16, 0.7123 + 1e-16, 9), "0.7123 ±0.0000"),
        (Number(1.0, 1.0 - 7e-16, 1.0 + 9e-16, 9), "1.000 ±0.000"),
        (Number(1.0, 1.0 - 2e-16, 1.0, 9), "1.000 ±0.000"),
        (Number(5e-324, None, None, 9), "0"),
    ],
)
def test_digits_follow_the_interval(number, expected):
    assert show(number, decimals([number])) == expected


def test_a_narrow_interval_adds_at_most_a_digit_to_its_line():
    numbers = [Number(0.5, 0.47, 0.53, 9), Number(0.6, 0.5999, 0.6001, 9)]
    digits = decimals(numbers)
    assert [show(number, digits) for number in numbers] == ["0.5000 ±0.0300", "0.6000 ±0.0001"]


def test_the_best_follows_the_direction(pair):
    assert best(pair(0.5, 0.7)) == [{"unet"}]
    assert best(pair(0.5, 0.7, higher_is_better=False)) == [{"dit"}]
    assert best(pair(0.5, 0.7, higher_is_better=None)) == [set()]


def test_a_tie_at_the_digits_shown_marks_nobody_of_two_and_both_of_three(pair, frame, row):
    assert best(pair(0.5, 0.501)) == [set()]
    third = row(model="toy", value=0.2, low=0.1, high=0.3)
    assert best(frame([*pair(0.5, 0.501).to_dict("records"), third])) == [{"dit", "unet"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"low": None},
        {"high": math.nan},
        {"low": 0.8, "high": 0.9},
        {"low": 0.9, "high": 0.1},
        {"value": None},
        {"value": math.inf},
        {"n": 47},
    ],
)
def test_nobody_is_marked_where_the_values_cannot_be_ranked(frame, row, changes):
    good = row(model="unet", value=0.7, low=0.6, high=0.8)
    assert best(frame([row(), good])) == [{"unet"}]
    assert best(frame([row(), good | changes])) == [set()]
    assert best(frame([row() | changes, good])) == [set()]


def test_different_protocols_stand_in_different_lines_and_are_never_ranked(pair):
    rows = pair(0.5, 0.7)
    rows["protocol"] = ["ab12 fp32", "cd34 bf16"]
    table = pivot(records(rows))
    assert [[cell.text for cell in line.cells] for line in table.lines] == [
        ["0.50 ±0.10", "—"],
        ["—", "0.70 ±0.10"],
    ]
    assert best(rows) == [set(), set()]
    assert [line.n for line in table.lines] == ["48 / —", "— / 48"]
    assert list(clashes(table)) == ["hps@scenes was measured under 2 protocols; those values are not comparable."]


def test_one_model_alone_is_not_best(frame, row):
    assert best(frame([row()])) == [set()]


def test_slices_go_to_their_own_tables(frame, row):
    slices = ("all", "tag=colour", "aspect=1:1", "aspect=16:9", "split=held-out")
    rows = records(frame(row(slice=name, metric=metric) for name in slices for metric in ("a", "b")))
    assert kinds(rows) == ["aspect", "tag", "split"]
    assert [(line.metric, line.part) for line in pivot(rows).lines] == [("a", ""), ("b", "")]
    lines = pivot(rows, "aspect").lines
    assert [(line.metric, line.part) for line in lines] == [
        ("a", "1:1"), ("a", "16:9"), ("b", "1:1"), ("b", "16:9"),
    ]  # fmt: skip


def test_models_stand_in_the_order_asked_for(pair):
    assert pivot(records(pair(0.5, 0.7)), models=["unet", "absent"]).models == ("unet", "dit")


def test_two_rows_for_one_cell_are_an_error(frame, row):
    with pytest.raises(ValueError, match="two rows for model 'dit', 'hps@scenes', 'all', 'ab12 fp32'"):
        pivot(records(frame([row(), row(value=0.6)])))


def test_labels_show_direction_and_unit(frame, row):
    rows = [
        row(metric="a", higher_is_better=True, unit="1"),
        row(metric="b", higher_is_better=False, unit="latent²"),
        row(metric="c", higher_is_better=None, unit=None),
    ]
    assert [line.label for line in pivot(records(frame(rows))).lines] == ["a ↑", "b ↓ (latent²)", "c"]


def test_a_note_is_said_once_with_what_it_is_about(frame, row):
    rows = [
        row(note="few images"),
        row(model="unet", note="few images"),
        row(metric="fid@scenes", note="few images"),
        row(metric="fid@scenes", model="unet", note="tiny"),
        row(slice="tag=a", note="repeats"),
        row(slice="tag=b", value=None, note="no pairs"),
    ]
    assert list(notes_of(records(frame(rows)))) == [
        "hps@scenes, fid@scenes: few images",
        "fid@scenes (unet): tiny",
        "hps@scenes on tag=b (dit): no pairs",
    ]


def test_an_empty_run_has_an_empty_table(frame):
    assert pivot(records(frame([]))).lines == ()


def test_plain_values_are_json_ready():
    values = {
        "float": np.float32(0.5), "nan": np.float64("nan"), "inf": -math.inf, "int": np.int64(3),
        "bool": np.bool_(True), "set": {"b", "a"}, "tuple": (1, None), "na": pd.NA, "nat": pd.NaT,
    }  # fmt: skip
    assert plain(values) == {
        "float": 0.5, "nan": None, "inf": None, "int": 3,
        "bool": True, "set": ["a", "b"], "tuple": [1, None], "na": None, "nat": None,
    }  # fmt: skip
