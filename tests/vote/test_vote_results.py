from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import vote_runs

from evalsuite import scorecard, sources
from evalsuite.errors import InputError
from evalsuite.vote.database import VoteBook
from evalsuite.vote.export import export
from evalsuite.vote.results import results, tally
from evalsuite.vote.study import plan_study


def choose(book: VoteBook, rater: str, wanted: dict[str, int] | str) -> None:
    """Vote for the ``a`` or ``b`` model, for a tie, or to skip; by pair number, else the same for all."""
    rater = book.enter(rater)
    while (current := book.turn(rater).current) is not None:
        want = wanted if isinstance(wanted, str) else wanted[current.pair.number]
        choice = want if want in ("tie", "skip") else "left" if current.left_side == want else "right"
        book.vote(rater, current.pair.number, choice, 2000)  # type: ignore[arg-type]


def test_the_better_model_wins_and_the_metric_that_says_so_agrees(book: VoteBook):
    choose(book, "ann", "a")
    choose(book, "bob", {n: "a" if n else "b" for n in range(8)})
    found = results(book)
    assert (found.total.a, found.total.b, found.total.rate.value) == (15, 1, 15 / 16)
    assert found.total.rate.decided
    assert [t.name for t in found.raters] == ["ann", "bob"]
    assert found.raters[1].rate.value == 7 / 8
    assert found.same.value == 7 / 8
    assert found.alpha is not None
    assert [(m.metric, m.share.value, m.share.n) for m in found.metrics] == [
        ("hps@scenes", 15 / 16, 16),
        ("bad@scenes", 1 / 16, 16),
    ]
    assert any("odd@scenes is not compared: protocols differ" in note for note in found.notes)
    assert found.total.seconds == 2.0
    said = found.sections()
    assert said[0].notes[0] == "better is preferred."
    assert "Two people agree in 88 %" in said[-1].notes[0]


def test_ties_count_one_half_and_skips_nowhere(book: VoteBook):
    choose(book, "ann", {n: ("a", "b", "tie", "skip")[n % 4] for n in range(8)})
    found = results(book).total
    assert (found.a, found.b, found.ties, found.skips) == (2, 2, 2, 2)
    assert (found.rate.value, found.rate.n) == (0.5, 6)
    assert found.left.n == 4


def test_parts_are_by_ratio_and_tag(book: VoteBook):
    choose(book, "ann", {pair.number: "a" if pair.aspect == "1:1" else "b" for pair in book.study.pairs})
    parts = {part.name: part for part in results(book).parts}
    assert list(parts) == ["aspect=1:1", "aspect=3:2", "tag=even", "tag=odd"]
    assert (parts["aspect=1:1"].rate.value, parts["aspect=3:2"].rate.value) == (1.0, 0.0)
    assert parts["tag=odd"].rate.value == 0.5


def test_a_hand_that_prefers_one_side_shows(tmp_path: Path):
    runs = vote_runs.write_runs(tmp_path, [f"prompt {n}" for n in range(8)])
    with VoteBook.begin(tmp_path, plan_study(sources.read_all(runs))) as book:
        name = book.enter("ann")
        while (current := book.turn(name).current) is not None:
            book.vote(name, current.pair.number, "left", 1)
        found = results(book)
    assert found.total.left.value == 1.0
    assert found.total.left.decided
    assert (found.total.rate.value, found.total.rate.decided) == (0.5, False)
    assert any("Side bias: 100 %" in note for note in found.sections()[0].notes)


def test_votes_on_few_prompts_decide_nothing_however_many_they_are(book: VoteBook):
    choose(book, "ann", "a")
    choose(book, "bob", "a")
    unanimous = tally("all", book.ballots()).rate
    assert (unanimous.n, unanimous.clusters, unanimous.decided) == (16, 4, False)  # four prompts may be chance


def test_a_vote_without_votes_or_scores_says_so(book: VoteBook, runs: list[str], tmp_path: Path):
    empty = results(book)
    assert empty.total.rate.value is None
    assert empty.sections()[0].notes[0] == "Nobody has voted yet."
    json.dumps(empty.to_json(), allow_nan=False)
    choose(book, "ann", "a")
    moved = [shutil.move(run, tmp_path / Path(run).name) for run in runs]
    lost = results(book)
    assert lost.metrics == ()
    assert "name the two runs behind the votes" in lost.notes[0]
    assert results(book, moved).metrics[0].share.value == 1.0
    with pytest.raises(InputError, match="the vote was between two"):
        results(book, moved[:1])
    with pytest.raises(InputError, match="are of other images than the vote"):
        results(book, moved[::-1])


def test_scores_of_other_images_are_not_taken(book: VoteBook, runs: list[str]):
    choose(book, "ann", "a")
    (card,) = scorecard.read(Path(runs[0]))
    images = (replace(card.images[0], pixel_sha256="0" * 64), *card.images[1:])
    scorecard.write(Path(runs[0]), [replace(card, images=images)])
    found = results(book)
    assert found.metrics == ()
    assert "are of other images than the vote" in found.notes[0]


def test_json_has_names_for_everything(book: VoteBook):
    choose(book, "ann", "a")
    told = json.loads(json.dumps(results(book).to_json(), allow_nan=False))
    assert told["total"]["rate"]["value"] == 1.0
    assert told["metrics"][0]["share"].keys() == {"value", "low", "high", "n", "clusters"}
    assert told["method"].startswith("95% Wilson")


def test_the_export_is_like_hpdv2s_test_file(book: VoteBook, tmp_path: Path):
    choose(book, "ann", {n: ("a", "b", "tie", "skip", "a", "a", "a", "a")[n] for n in range(8)})
    choose(book, "bob", {n: ("a", "a", "tie", "skip", "a", "a", "a", "a")[n] for n in range(8)})
    told = export(book, tmp_path / "set.json")
    entries = json.loads((tmp_path / "set.json").read_text())
    assert (told.entries, told.votes, told.notes) == (7, 14, ("2 skipped votes are left out",))
    for entry in entries:
        assert entry.keys() == {"prompt", "image_path", "rank", "raw_annotations"}
        assert all((tmp_path / path).is_file() for path in entry["image_path"])
        assert len({line["user_hash"] for line in entry["raw_annotations"]}) == 2
        assert "ann" not in json.dumps(entry["raw_annotations"])
    by_model = [["better" in path for path in entry["image_path"]] for entry in entries]
    assert [entry["rank"][places.index(True)] for entry, places in zip(entries, by_model, strict=True)] == [
        1, 1, 1, 1, 1, 1, 1,
    ]  # fmt: skip
    assert [entry["rank"][places.index(False)] for entry, places in zip(entries, by_model, strict=True)] == [
        2, 1, 1, 2, 2, 2, 2,
    ]  # fmt: skip
    assert len({tuple(places) for places in by_model}) == 2  # no place belongs to a model
    with pytest.raises(InputError, match="is there already"):
        export(book, tmp_path / "set.json")


def test_the_export_is_like_hpdv2s_train_file_and_takes_its_images_along(book: VoteBook, tmp_path: Path):
    choose(book, "ann", {n: ("a", "b", "tie", "skip", "a", "a", "a", "a")[n] for n in range(8)})
    folder = tmp_path / "set"
    folder.mkdir()
    told = export(book, folder / "train.json", "train", copy_images=True)
    assert (told.entries, told.notes) == (
        6,
        ("1 skipped votes are left out", "1 ties are left out: train.json has none"),
    )
    moved = shutil.copytree(folder, tmp_path / "moved")
    wins = {"better": 0, "worse": 0}
    owner = {Path(p).name: run for run in wins for p in (tmp_path / "runs" / run / "images").iterdir()}
    for entry in json.loads((moved / "train.json").read_text()):
        assert entry.keys() == {"human_preference", "prompt", "file_path", "user_hash"}
        assert sorted(entry["human_preference"]) == [0, 1]
        assert all((moved / path).is_file() for path in entry["file_path"])
        wins[owner[Path(entry["file_path"][entry["human_preference"].index(1)]).name]] += 1
    assert wins == {"better": 5, "worse": 1}


def test_an_export_of_nothing_or_nowhere_is_refused(book: VoteBook, tmp_path: Path):
    with pytest.raises(InputError, match="has no votes to export"):
        export(book, tmp_path / "set.json")
    choose(book, "ann", "tie")
    with pytest.raises(InputError, match="8 ties are left out"):
        export(book, tmp_path / "set.json", "train")
    with pytest.raises(InputError, match="there is no folder"):
        export(book, tmp_path / "no" / "set.json")
    (tmp_path / "set-images").mkdir()
    with pytest.raises(InputError, match="set-images is there already"):
        export(book, tmp_path / "set.json", copy_images=True)
