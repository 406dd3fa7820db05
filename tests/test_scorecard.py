from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

import evalsuite
from evalsuite import RunSpec, scorecard
from evalsuite.errors import InputError


@pytest.fixture
def folder(tiny: Callable[..., RunSpec]) -> Path:
    spec = tiny(models=("tiny_models:conv", "toy"), metrics=("v_variance", "fid@scenes"), limit=4)
    evalsuite.run(spec)
    return Path(spec.output_dir)


def test_every_number_follows_from_what_its_images_contribute(folder: Path):
    cards = scorecard.read(folder)
    assert [card.model for card in cards] == ["tiny_models:conv", "toy"]
    for card in cards:
        assert card.planned == card.scored == 8
        metric = card.metrics["v_variance@trajectory"]
        for row in metric.rows:
            part = [image.id for image in card.images if row.slice == "all" or f"aspect={image.aspect}" == row.slice]
            total = math.fsum(metric.weights[id] for id in part)
            assert row.value == pytest.approx(math.fsum(metric.weights[id] * metric.values[id] for id in part) / total)
        distance = card.metrics["fid@scenes"]
        assert set(distance.influences) == {row.slice for row in distance.rows}
        for part, influences in distance.influences.items():
            assert len(influences) == distance.row(part).n
            assert math.fsum(influences.values()) == pytest.approx(0, abs=1e-9)


def test_images_of_two_models_pair_by_prompt_index_and_size(folder: Path):
    one, other = scorecard.read(folder)
    assert {image.pair for image in one.images} == {image.pair for image in other.images}
    assert all((folder / image.file).is_file() for image in one.images)


def test_reading_and_writing_lose_nothing(folder: Path, tmp_path: Path):
    cards = scorecard.read(folder)
    again = scorecard.read(scorecard.write(tmp_path, cards))
    assert again == cards


def test_a_file_that_was_altered_or_is_missing_is_told_in_one_line(folder: Path, tmp_path: Path):
    path = folder / scorecard.NAME
    data = json.loads(path.read_text())
    data["cards"][0]["model"] = "better"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="was altered since it was written"):
        scorecard.read(folder)
    path.write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        scorecard.read(folder)
    with pytest.raises(InputError, match="make it with `evalsuite score"):
        scorecard.read(tmp_path / "nowhere")
