"""The bundled weights through the real path: whatever else they draw, the background must be the one that was asked."""

import numpy as np
import pytest
from PIL import Image

from backbones.training.scene import COLOURS
from evalsuite import RunSpec, generate_images
from evalsuite.encoders.training.examine import border_colour, named, retrieved, right_border, wilson_interval
from evalsuite.store import RunStore


@pytest.mark.parametrize("model", ["dit", "unet"])
def test_the_border_has_the_named_colour(model, tmp_path):
    prompts = tmp_path / "prompts.txt"
    colours = [name for name in COLOURS if name != "gray"]
    prompts.write_text("".join(f"a star on a {name} background\n" for name in colours), encoding="utf-8")
    spec = RunSpec(models=(model,), prompts=str(prompts), aspects=("1:1",), steps=6, output_dir=str(tmp_path / "run"))
    with RunStore.open(generate_images(spec)) as store:
        samples = store.samples(store.images())
    pictures = [np.asarray(Image.open(sample.file)) for sample in samples]
    hits = right_border(pictures, [sample.text for sample in samples])
    assert len(hits) == len(colours)
    assert sum(hits) >= len(hits) - 1


@pytest.mark.parametrize("name", COLOURS)
def test_a_flat_picture_has_the_border_colour_it_was_painted_with(name):
    picture = np.full((32, 48, 3), COLOURS[name], np.uint8)
    picture[8:24, 8:40] = 0
    assert border_colour(picture) == name


def test_gradients_are_left_out_of_the_border_test():
    picture = np.full((32, 32, 3), COLOURS["red"], np.uint8)
    texts = ["a cat on a red background", "a cat on a red gradient background", "a cat on a blue background"]
    assert right_border([picture] * 3, texts) == [True, False]


def test_retrieval_finds_a_perfect_match_and_misses_a_wrong_one():
    texts = [f"text {i}" for i in range(150)]
    features = np.eye(150, dtype=np.float32)
    assert all(retrieved(features[:20], texts[:20], features, texts))
    assert not any(retrieved(-features[:20], texts[:20], features, texts))


def test_a_name_counts_only_when_it_beats_all_other_names():
    features = np.eye(3, dtype=np.float32)
    variants = {"a": features[[0, 1, 2]], "b": features[[0, 1, 2]]}
    assert named(features, ["a", "b", "no variants"], variants) == [True, False]


def test_the_wilson_interval_of_nothing_wrong_is_not_a_point():
    low, high = wilson_interval(200, 200)
    assert low == pytest.approx(200 / (200 + 1.959964**2))
    assert high == pytest.approx(1)
    assert wilson_interval(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
