from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import evalsuite
from evalsuite import InputError, RunSpec, cli, machine, publish
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.progress import Lines, duration, plain
from evalsuite.rows import COLUMNS, Row, to_frame
from evalsuite.samples import Sample

ROW = Row("m", "hps@scenes", "all", 1.0, 0.5, 1.5, 3, "points", True, "abc", "t")


def test_the_api_generates_scores_and_gives_a_table(tiny: Callable[..., RunSpec]):
    spec = tiny()
    rows = evalsuite.run(spec)
    assert isinstance(rows, pd.DataFrame)
    assert tuple(rows.columns) == COLUMNS
    whole = rows[(rows.metric == "v_variance@trajectory") & (rows.slice == "all")]
    assert whole.n.tolist() == [8]
    again = evalsuite.score_folder(spec.output_dir)
    pd.testing.assert_frame_equal(again, rows)
    assert evalsuite.generate_images(spec) == Path(spec.output_dir)
    with pytest.raises(InputError, match="did you mean 'hps'"):
        evalsuite.score_folder(spec.output_dir, metrics=["hsp"])


def test_two_models_share_prompts_and_seeds(tiny: Callable[..., RunSpec]):
    outcome = make(tiny(models=("tiny_models:conv", "toy")), scored=True)
    seeds: dict[str, set[int]] = {}
    for job in outcome.manifest.jobs:
        seeds.setdefault(f"{job.prompt_id} {job.aspect} {job.index}", set()).add(job.seed)
    assert {len(found) for found in seeds.values()} == {1}
    assert set(outcome.rows.model) == {"tiny_models:conv", "toy"}
    assert outcome.missing == 0


def test_no_rows_still_have_their_columns():
    assert tuple(to_frame([]).columns) == COLUMNS
    assert to_frame([ROW, ROW]).shape == (2, len(COLUMNS))


def test_the_printed_command_makes_the_same_run(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch):
    spec = tiny(models=("tiny_models:conv", "toy"), limit=3, seed=5, guidance=2.5)
    manifest = prepare(spec, Shelf())
    words = shlex.split(publish.command(manifest))
    seen: list[RunSpec] = []
    monkeypatch.setattr("evalsuite.run_cli.make", lambda spec, *_: seen.append(spec))
    with pytest.raises(SystemExit):
        cli.main(words[1:])
    assert words[:2] == ["evalsuite", "run"]
    assert seen[0] == replace(manifest.spec, output_dir=None)


@pytest.mark.parametrize(
    ("change", "same"),
    [({"seed": 1}, False), ({"prompts": 5}, False), ({"metrics": ("fid",)}, True), ({"limit": 4}, False), ({}, True)],
)
def test_the_folder_is_named_after_what_can_change_an_image(
    tiny: Callable[..., RunSpec], change: dict[str, object], same: bool
):
    before = folder_of(prepare(tiny(output_dir=None), Shelf()))
    after = folder_of(prepare(tiny(**{"output_dir": None, **change}), Shelf()))
    assert before.name.startswith("tiny-models-conv-mine-")
    assert before.parent == Path("outputs")
    assert (before == after) is same


def test_long_names_make_short_folders(tiny: Callable[..., RunSpec], prompt_file: Callable[..., str]):
    path = prompt_file(2, name="n" * 120 + ".jsonl")
    folder = folder_of(prepare(tiny(prompts=path, output_dir=None), Shelf()))
    assert len(folder.name) <= 80
    assert folder.parent == Path("outputs")


def test_notes_say_what_is_missing_odd_or_unknown(tiny: Callable[..., RunSpec]):
    entries = [{"id": "a", "text": "a zzebra and a zzoo"}, {"id": "b", "text": "a zzoo"}, {"id": "c", "text": "x"}]
    manifest = prepare(tiny(prompts=entries, aspects=("1:1",)), Shelf())
    nothing = publish.notes_of(manifest, [], None)
    assert nothing[0] == "3 of 3 images are not made; every number is over the others"
    assert nothing[1] == "tiny_models:conv does not know 2 words, in 2 prompts: zzebra, zzoo"
    odd = publish.notes_of(manifest, [{"status": "nonfinite"}, {"status": "constant"}, {"status": "ok"}], None)
    assert odd[0].startswith("1 of 3 images are not finite")
    assert odd[1].startswith("1 of 3 images are one flat colour")
    assert publish.BUNDLED_NOTE in publish.notes_of(manifest, [], to_frame([ROW]))
    assert publish.BUNDLED_NOTE not in nothing


def test_curves_are_means_over_images_at_each_time():
    def sample(model: str, scale: float) -> Sample:
        path = {"variance": [1.0 * scale, 2.0 * scale], "deviation": [3.0 * scale, 4.0 * scale]}
        trace = {"t": [1.0, 0.5], "weight": [0.5, 0.5], "guided": path, "conditional": path}
        return Sample("i", model, "p", "x", None, (), "1:1", 64, 64, 0, 0, "0", Path("x"), trace)

    bare = replace(sample("a", 9), trace=None)
    found = publish.curves([sample("a", 1), sample("a", 3), bare, sample("b", 1)])
    assert list(found.columns) == ["model", "series", "t", "value"]
    assert len(found) == 2 * 4 * 2
    one = found[(found.model == "a") & (found.series == "guided deviation")]
    assert dict(zip(one.t, one.value, strict=True)) == {1.0: 6.0, 0.5: 8.0}


def test_progress_on_a_pipe_is_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 4.0, 11.0, 12.0, 30.0])
    monkeypatch.setattr("evalsuite.progress.time.monotonic", lambda: next(clock))
    lines = Lines()
    lines.start("generate [red]\x1b[2J", 8)
    for steps in (1, 3, 1, 3):
        lines.advance(steps)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "generate [red]\\x1b[2J: 8 to do",
        "generate [red]\\x1b[2J: 4 of 8, 11 s left",
        "generate [red]\\x1b[2J: 8 done in 30 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under 1 s"), (42.4, "42 s"), (185, "3 min 5 s"), (7440, "2 h 4 min")],
)
def test_durations_are_said_in_words(seconds: float, words: str):
    assert duration(seconds) == words


def test_text_for_the_terminal_is_one_harmless_line():
    assert plain("a\nb\x1b[31m\u202e\x07é猫\ud800") == "a b\\x1b[31m\\u202e\\x07é猫\\ud800"


def test_cores_are_physical_allowed_and_within_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    assert machine.cores() == 4
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 4, 1})
    assert machine.cores() == 2
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert machine.cores() == 3
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cores() == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cores() == 4
