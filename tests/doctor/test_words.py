from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evalsuite.doctor import report, words
from evalsuite.doctor.findings import Examination, Finding, Ladder, MetricReport
from evalsuite.doctor.floor import Floor
from evalsuite.doctor.interventions import TABLE
from evalsuite.doctor.verdict import Sight, judge
from evalsuite.rows import Row

HOSTILE = "=a|b*c$x$\x1b[31m<i>"


def ladder(
    key: str, *sights: Sight, must: str = "", steps: tuple[str, ...] = (), effects: tuple[float, ...] = (1, 2, 3, 4)
) -> Ladder:
    one = next(one for one in TABLE if one.key == key)
    findings = tuple(
        Finding(level.label, level.strength, None, -size, -size - 1, -size + 1, 0.01, 0.02, size, 0.3, seen, 9, 9, "t")
        for level, seen, size in zip(one.levels, sights, effects, strict=False)
    )
    return Ladder(key, one.title, must, findings, judge(sights, steps, must))  # type: ignore[arg-type]


def metric(name: str, higher: bool | None, *ladders: Ladder, floor: Floor | None = None) -> MetricReport:
    row = Row("m", name, "all", 5.0, 4.0, 6.0, 9, "points", higher, "p", "t", "")
    role = "distance" if floor else "preference"
    known = {one.key: one for one in ladders}
    return MetricReport(name, "Title", "points", higher, role, "p", row, 2.0, "units", floor, "", known)  # type: ignore[arg-type]


def examined(*metrics: MetricReport, **more: object) -> Examination:
    return Examination("a model on a set", "a set", 9, 9, 9, 30, metrics, **more)  # type: ignore[arg-type]


FLOOR = Floor(1.0, 0.8, 1.2, 0.1, 9, 1.0, 20, 40, 0.0)


def test_a_cell_names_the_weakest_level_that_is_seen():
    assert words.cell(None) == words.NOT_ASKED
    assert words.cell(ladder("shuffled", "seen")) == "sees"
    assert words.cell(ladder("blur", "seen", "seen", "seen", "seen")) == "from 1 px"
    assert words.cell(ladder("jpeg", "none", "none", "seen", "seen")) == "from q 10"
    assert words.cell(ladder("blur", "none", "none", "none", "none")) == "blind"
    assert words.cell(ladder("blur", "none", "none", "none", "wrong", must="not wrong")) == "WRONG WAY *"
    assert words.cell(ladder("shuffled", "none", must="seen")) == "blind *"
    went_back = ladder("noise", "wrong", "none", "seen", "seen")
    assert words.cell(went_back) == "from 0.2 *"


def test_what_fails_is_a_sentence_and_what_is_a_trifle_is_a_note():
    steps = ("slightly wrong", "right", "right", "right")
    trifle = ladder("noise", "none", "seen", "seen", "seen", must="not wrong", steps=steps, effects=(-0.05, 1, 2, 3))
    fine = examined(metric("hps@x", True, trifle))
    (note,) = [note for part in words.sections(fine) for note in part.notes if note.startswith("* ")]
    assert (
        note == "* hps@x on noise: finds 0.05 better than the images as they are by 0.05 standard deviations, a trifle"
    )
    assert list(words.failures(fine)) == []
    assert words.WELL in words.sections(fine)[-1].notes

    broken = ladder("blur", "seen", "seen", "seen", "wrong", must="not wrong", effects=(1, 2, 3, -4))
    deaf = ladder("shuffled", "none", must="seen")
    bad = examined(metric("hps@x", True, broken, deaf), metric("fid@x", False, broken, floor=FLOOR))
    assert bad.failed
    assert list(words.failures(bad)) == [
        "FAILS: hps@x on blur: it finds them better",
        "FAILS: hps@x on prompts shuffled: it does not see it",
        "FAILS: fid@x on blur: it finds them better",
        "It may be these images and not the metric: `evalsuite doctor --metrics` alone looks at real ones.",
    ]
    assert len(list(words.failures(replace(bad, real=True)))) == 3


def test_nothing_fails_where_nobody_can_tell_and_that_is_said():
    open_ = examined(metric("hps@x", True, ladder("shuffled", "unclear", must="seen")))
    assert not open_.failed
    assert words.sections(open_)[-1].notes == [
        "Nothing fails, but these images are too few to tell of hps@x on prompts shuffled."
    ]


@pytest.mark.parametrize(("value", "reading"), [(1.3, "above it"), (1.0, "at it"), (0.5, "below it")])
def test_a_distance_is_read_against_its_floor(value: float, reading: str):
    one = metric("fid@x", False, floor=FLOOR._replace(own=value))
    found = examined(one)
    (table,) = [part for part in words.sections(found) if part.header and part.header[0] == "the floor"]
    assert table.lines[0][-1] == reading
    assert ("has the model learned" in " ".join(table.notes)) == (value < 0.8)
    lacking = examined(replace(one, floor=None, floor_note="the reference keeps no features"))
    (table,) = [part for part in words.sections(lacking) if part.header and part.header[0] == "the floor"]
    assert "fid@x has no floor: the reference keeps no features" in table.notes


def test_many_metrics_are_several_tables_and_long_names_several_lines():
    one = ladder("shuffled", "seen")
    found = examined(*(metric(f"clip_image_similarity@n{number}", None, one) for number in range(8)))
    tables = [part for part in words.sections(found, 100) if part.header and part.header[0] == ""]
    assert [len(table.header) for table in tables] == [7, 3]
    assert len(words.sections(found)[0].header) == 9
    assert tables[0].header[1] == "clip_image_\nsimilarity\n@n0"
    assert [line[0] for line in tables[0].lines] == ["prompts shuffled"]


def test_the_report_repeats_its_bytes_and_text_from_outside_stays_text(tmp_path: Path):
    untested = Ladder(
        "grey", "empty images", "", (Finding("", 1.0, None, note="no pairs"),), judge(["untested"], [], "")
    )
    found = examined(
        metric(HOSTILE, True, ladder("blur", "seen", "seen", "seen", "seen"), untested, ladder("word", "seen")),
        metric("fid@x", False, ladder("copies", "none", "seen", "wrong"), floor=FLOOR),
        left_out={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
        command="evalsuite doctor --metrics",
    )
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
        report.write(found, place)
    one, two = ({path.name: path.read_bytes() for path in place.iterdir()} for place in places)
    assert one == two
    assert set(one) == {"doctor.json", "doctor.csv", "doctor.md", "doctor.png", "doctor.svg"}
    assert not any(b"\x1b" in one[f"doctor.{kind}"] for kind in ("csv", "md", "json", "svg"))
    assert b"<i>" not in one["doctor.md"]
    assert json.loads(one["doctor.json"])["metrics"][0]["name"] == HOSTILE
    ElementTree.fromstring(one["doctor.svg"])
    lines = list(csv.DictReader(io.StringIO(one["doctor.csv"].decode())))
    assert lines[0]["metric"].startswith("'=a")
    assert [line["intervention"] for line in lines[:3]] == ["none", "blur", "blur"]
    assert [line["verdict"] for line in lines if line["intervention"] == "copies"] == ["wrong way"] * 3
    assert next(line for line in lines if line["intervention"] == "grey")["note"] == "no pairs"
