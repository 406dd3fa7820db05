from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite import scorecard, sources
from evalsuite.errors import InputError
from evalsuite.vote.ballots import order, rater_name
from evalsuite.vote.study import SAME_PIXELS, Study, plan_study, slug, visible


def test_pairs_share_prompt_index_and_size(study: Study):
    assert [(p.prompt_id, p.aspect) for p in study.pairs] == [
        (f"p{n}", aspect) for n in range(4) for aspect in ("1:1", "3:2")
    ]
    for pair in study.pairs:
        assert pair.a.id.split("|")[1:] == pair.b.id.split("|")[1:]
        assert study.place("a", pair.a).is_file()
    assert slug(study).startswith("vote-better-worse-")


def test_images_that_are_the_same_or_alone_are_left_out_and_counted(runs: list[str]):
    better, worse = (scorecard.read(Path(run))[0] for run in runs)
    images = list(worse.images)
    images[0] = replace(
        images[0], file=str(Path(runs[0]) / better.images[0].file), pixel_sha256=better.images[0].pixel_sha256
    )
    images[1] = replace(images[1], status="nonfinite", file=None, pixel_sha256=None)
    scorecard.write(Path(runs[1]), [replace(worse, images=tuple(images[:-1]))])
    study = plan_study(sources.read_all(runs))
    assert len(study.pairs) == 5
    assert study.left_out == {SAME_PIXELS: 1, "nonfinite in worse": 1, "only in better": 1}


def test_a_limit_draws_the_same_pairs_for_everyone(runs: list[str]):
    drawn = [plan_study(sources.read_all(runs), limit=3, seed=seed) for seed in (1, 1, 2)]
    assert [len(study.pairs) for study in drawn] == [3, 3, 3]
    assert drawn[0] == drawn[1]
    assert drawn[0].fingerprint != drawn[2].fingerprint
    assert len(plan_study(sources.read_all(runs), limit=99).pairs) == 8


def test_what_cannot_be_voted_on_is_refused_in_one_line(runs: list[str]):
    with pytest.raises(InputError, match="between two models, these are 1"):
        plan_study(sources.read_all(runs[:1]))
    with pytest.raises(InputError, match="use 1 to 200"):
        plan_study(sources.read_all(runs), question=" ")
    card = scorecard.read(Path(runs[1]))[0]
    (Path(runs[1]) / str(card.images[2].file)).unlink()
    with pytest.raises(InputError, match="no such image"):
        plan_study(sources.read_all(runs))
    scorecard.write(Path(runs[1]), [replace(card, images=())])
    with pytest.raises(InputError, match="have no images to vote on: 8 only in better"):
        plan_study(sources.read_all(runs))


def test_a_study_is_the_same_wherever_its_folders_are(runs: list[str], study: Study, tmp_path: Path):
    moved = [str(shutil.copytree(run, tmp_path / "elsewhere" / Path(run).name)) for run in runs]
    assert plan_study(sources.read_all(moved)).fingerprint == study.fingerprint
    assert plan_study(sources.read_all(runs), question="Which is uglier?").fingerprint != study.fingerprint


def test_every_order_has_every_pair_once_and_either_model_on_the_left_for_half_of_them(study: Study):
    orders = [order(study, str(seed)) for seed in range(40)]
    assert orders[3] == order(study, "3")
    for one in orders:
        assert sorted(pair for pair, _ in one) == list(range(8))
        assert [side for _, side in one].count("a") == 4
    assert len({tuple(one) for one in orders}) == 40
    odd = replace(study, pairs=study.pairs[:3])
    extra = [[side for _, side in order(odd, str(seed))].count("a") for seed in range(40)]
    assert set(extra) == {1, 2}


def test_hidden_characters_of_a_prompt_become_visible():
    assert visible("a\nb\tc\x1b[2J\u202eevil\x00é猫 👩‍🚀\ud800") == "a b c\\x1b[2J\\u202eevil\\x00é猫 👩‍🚀\\ud800"
    assert json.loads(json.dumps(visible("<script>"))) == "<script>"


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x07b", "\u202eabc"])
def test_a_rater_has_a_short_printable_name(name: str):
    with pytest.raises(InputError, match="1 to 40 printable characters"):
        rater_name(name)
    assert rater_name("  Zoe\u0308   B. ") == "Zo\u00eb B."
