"""The bundled weights through the real path: whatever else they draw, the background must be the one that was asked."""

import numpy as np
import pytest
import torch
from PIL import Image

import backbones
import prompts
from backbones.sampler import guided_field, sample, timesteps
from backbones.training.scene import COLOURS
from evalsuite import RunSpec, generate_images
from evalsuite.encoders.training.measures import border_colour
from evalsuite.encoders.training.retrieval import named, retrieved
from evalsuite.spec import TURBO, suited_steps
from evalsuite.store import RunStore

SHIPPED = [name for name in TURBO if name in backbones.CATALOG]
STEPS = {"dit": 6, "unet": 6} | dict.fromkeys(SHIPPED, suited_steps(TURBO))


@pytest.mark.parametrize(("model", "steps"), STEPS.items())
def test_the_border_has_the_named_colour(model, steps, tmp_path):
    file = tmp_path / "prompts.txt"
    colours = [name for name in COLOURS if name != "gray"]
    file.write_text("".join(f"a star on a {name} background\n" for name in colours), encoding="utf-8")
    spec = RunSpec(models=(model,), prompts=str(file), aspects=("1:1",), steps=steps, output_dir=str(tmp_path / "run"))
    with RunStore.open(generate_images(spec)) as store:
        samples = store.samples(store.images())
    pictures = [np.asarray(Image.open(sample.file)) for sample in samples]
    drawn = [sample.text.split()[-2] for sample in samples]
    hits = [border_colour(picture) == colour for picture, colour in zip(pictures, drawn, strict=True)]
    assert len(hits) == len(colours)
    assert sum(hits) >= len(hits) - 1


@pytest.mark.parametrize("name", SHIPPED)
@torch.inference_mode()
def test_a_distilled_model_ends_near_its_teacher_of_twice_the_steps(name):
    """From the same noise: nearer than the teacher comes in as many steps with guidance, or half as far as without."""
    student, teacher = backbones.load(name), backbones.load(name.removesuffix("-turbo"))
    about, texts = student.distilled, [prompt.text for prompt in prompts.load("held-out").prompts[:4]]
    noise = torch.randn(len(texts), 4, 32, 32, generator=torch.Generator().manual_seed(0))

    def end(model, guidance, steps):
        field = guided_field(model, model.encode(texts), model.encode([""]), guidance)
        return list(sample(field, noise, timesteps(steps, about.shift)))[-1].x

    asked = end(teacher, about.guidance, 2 * about.steps)
    tries = (student, about.guidance), (teacher, about.guidance), (teacher, 1.0)
    own, guided, blind = ((end(*how, about.steps) - asked).square().mean() for how in tries)
    assert own < guided
    assert own < blind / 2


def test_retrieval_finds_a_perfect_match_and_misses_a_wrong_one():
    texts = [f"text {i}" for i in range(150)]
    features = np.eye(150, dtype=np.float32)
    assert all(retrieved(features[:20], texts[:20], features, texts))
    assert not any(retrieved(-features[:20], texts[:20], features, texts))


def test_a_name_counts_only_when_it_beats_all_other_names():
    features = np.eye(3, dtype=np.float32)
    variants = {"a": features[[0, 1, 2]], "b": features[[0, 1, 2]]}
    assert named(features, ["a", "b", "no variants"], variants) == [True, False, None]
