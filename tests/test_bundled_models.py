"""The bundled weights through the real path: whatever else they draw, the background must be the one that was asked."""

import numpy as np
import pytest
from PIL import Image

from backbones.training.scene import COLOURS
from evalsuite import RunSpec, generate_images
from evalsuite.encoders.training.measures import border_colour
from evalsuite.encoders.training.retrieval import named, retrieved
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
    drawn = [sample.text.split()[-2] for sample in samples]
    hits = [border_colour(picture) == colour for picture, colour in zip(pictures, drawn, strict=True)]
    assert len(hits) == len(colours)
    assert sum(hits) >= len(hits) - 1


def test_retrieval_finds_a_perfect_match_and_misses_a_wrong_one():
    texts = [f"text {i}" for i in range(150)]
    features = np.eye(150, dtype=np.float32)
    assert all(retrieved(features[:20], texts[:20], features, texts))
    assert not any(retrieved(-features[:20], texts[:20], features, texts))


def test_a_name_counts_only_when_it_beats_all_other_names():
    features = np.eye(3, dtype=np.float32)
    variants = {"a": features[[0, 1, 2]], "b": features[[0, 1, 2]]}
    assert named(features, ["a", "b", "no variants"], variants) == [True, False, None]
