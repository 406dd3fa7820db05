"""The captions of the reference pictures are those of the scenes that the recipe draws."""

import json

import pytest

from backbones.training.data import SIZES, World, random_for
from backbones.training.scene import sample_scene
from evalsuite.encoders.training.make_reference import CAPTIONS, SEED, keep, write_captions
from evalsuite.reference_images import PICTURES
from prompts import load


def test_every_shipped_caption_is_that_of_its_scene():
    captions = {prompt.id: prompt.text for prompt in load(str(PICTURES / CAPTIONS)).prompts}
    assert len(captions) == 60 * len(SIZES)
    for number, aspect in enumerate(SIZES):
        for place in range(60):
            scene = sample_scene(random_for("reference", SEED + number, place), "held-out")
            assert captions[f"{aspect.replace(':', 'x')}-{place:03d}"] == scene.caption


@pytest.mark.parametrize("count", [3])
def test_the_recipe_writes_pictures_and_a_prompt_file_of_their_names(count, sprites, tmp_path):
    world = World(sprites, "reference", "held-out", SEED, count, ((64, 48),))
    lines = [keep(world[place], tmp_path, f"1x1-{place:03d}") for place in reversed(range(count))]
    write_captions(lines, tmp_path)
    found = load(str(tmp_path / CAPTIONS)).prompts
    assert [prompt.id for prompt in found] == sorted(path.stem for path in tmp_path.glob("*.webp"))
    assert found[0].text == world[0].scene.caption
    assert json.loads(lines[-1])["text"] == found[0].text
