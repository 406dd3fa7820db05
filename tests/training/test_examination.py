"""The examination: every measure against pictures whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backbones.training import held_out_prompts
from backbones.training.data import SIZES
from backbones.training.names import NAMES
from backbones.training.render import Renderer, tint
from backbones.training.scene import COLOURS, Scene, Subject
from evalsuite import RunSpec, generate_images
from evalsuite.aspects.components import Box
from evalsuite.aspects.counter import count_objects, find_objects
from evalsuite.aspects.shares import share
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.training import examine
from evalsuite.encoders.training.detector import Named, Namer
from evalsuite.encoders.training.examined import Examined, against_ratio, as_json, as_markdown
from evalsuite.encoders.training.held_out import rendered, scenes_of
from evalsuite.encoders.training.measures import (
    ABOUT,
    BORDER,
    BOTH,
    COUNT,
    DETECTED,
    OBJECTS,
    RELATION,
    TINT,
    border_colour,
    judged,
)
from evalsuite.encoders.training.object_colour import distances, object_colour, path
from evalsuite.encoders.training.retrieval import AMONG
from evalsuite.errors import InputError

NAME_LIST = list(NAMES)
SCENE = Scene((Subject("cat"),), None, 1, "white", False, "flat", False)


class Told:
    """In place of the detector: it names the objects from left to right, or top to bottom, as it was told."""

    sha256 = ""

    def __init__(self, *names: str) -> None:
        self.names = names

    def name(self, pixels, objects):
        ordered = sorted(objects.boxes, key=lambda box: (box.left, box.top))
        return [known(box, name) for box, name in zip(ordered, self.names, strict=False)]


def known(box: Box, name: str) -> Named:
    scores = torch.full((len(NAMES),), -9.0)
    scores[NAME_LIST.index(name)] = -0.1
    return Named(box, scores)


def discs(colours: list[tuple[int, int, int]], ground: str = "white") -> np.ndarray:
    """Discs side by side, each of one colour."""
    picture = np.full((192, 336, 3), COLOURS[ground], np.uint8)
    y, x = np.mgrid[:192, :336]
    for place, colour in enumerate(colours):
        centre = 336 * (place + 0.5) / len(colours)
        picture[(x - centre) ** 2 + (y - 96) ** 2 <= 40**2] = colour
    return picture


@pytest.mark.parametrize("name", COLOURS)
def test_a_flat_picture_has_the_border_colour_it_was_painted_with(name):
    picture = np.full((32, 48, 3), COLOURS[name], np.uint8)
    picture[8:24, 8:40] = 0
    assert border_colour(picture) == name


def test_the_path_of_a_tint_is_where_its_pixels_lie():
    for colour in COLOURS:
        levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
        opaque = np.full((1, 256, 1), 255, np.uint8)
        toned = tint(Image.fromarray(np.concatenate([levels, opaque], axis=2), "RGBA"), COLOURS[colour])
        pixels = np.asarray(toned.convert("RGB"), np.float64)[0]
        own = distances(pixels)[:, list(COLOURS).index(colour)]
        assert own.max() <= 3**0.5  # whole levels, rounded down
        np.testing.assert_array_equal(path(colour)[1], COLOURS[colour])


@pytest.mark.parametrize("colour", COLOURS)
def test_an_object_has_the_tint_it_was_painted_with_and_no_other(colour):
    ground = "white" if colour != "white" else "blue"
    picture = discs([COLOURS[colour]], ground)
    assert object_colour(picture, find_objects(picture)) == colour
    empty = discs([], ground)
    assert object_colour(empty, find_objects(empty)) is None


def test_objects_are_as_many_as_the_counter_counts(sprites):
    renderer = Renderer(sprites)
    for count, size in zip((1, 2, 3, 4, 2), SIZES.values(), strict=True):
        picture = rendered(renderer, replace(SCENE, subjects=(Subject("cat", "blue"),), count=count), *size)
        assert len(find_objects(picture).boxes) == count_objects(picture) == count


def test_a_busy_border_has_no_objects_and_nothing_but_the_border_can_be_right():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert find_objects(noise) is None
    assert judged(noise, SCENE, Told("cat")) == {OBJECTS: False, BORDER: False, DETECTED: False}


def test_every_measure_applies_to_its_own_scenes_alone():
    red, blue = COLOURS["red"], COLOURS["blue"]
    one = judged(discs([red]), replace(SCENE, subjects=(Subject("cat", "red"),)), Told("cat"))
    assert one == {OBJECTS: True, BORDER: True, DETECTED: True, TINT: True}
    wrong = judged(discs([blue], "black"), replace(SCENE, subjects=(Subject("cat", "red"),)), Told("dog"))
    assert wrong == {OBJECTS: True, BORDER: False, DETECTED: False, TINT: False}
    three = judged(discs([blue] * 3), replace(SCENE, count=4, gradient=True), Told())
    assert three == {OBJECTS: False, COUNT: False}
    pair = replace(SCENE, subjects=(Subject("cat"), Subject("dog")), relation="left of")
    assert judged(discs([red, blue]), pair, Told("cat", "dog")) == dict.fromkeys(
        (OBJECTS, BORDER, RELATION, BOTH), True
    )
    assert not judged(discs([red, blue]), pair, Told("dog", "cat"))[RELATION]
    named = judged(discs([red, blue]), pair, Told("cat", "car"))
    assert named[RELATION]
    assert not named[BOTH]


def test_held_out_prompts_of_any_length_begin_alike_and_lead_back_to_their_scenes(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["held_out_prompts", "--count", "210"])
    held_out_prompts.main()
    lines = capsys.readouterr().out.splitlines()
    bundled = Path(held_out_prompts.__file__).parents[2] / "prompts" / "data" / "held-out.jsonl"
    assert lines[:200] == bundled.read_text().splitlines()
    texts = [json.loads(line)["text"] for line in reversed(lines)]
    scenes = scenes_of(texts)
    assert list(scenes) == texts
    assert all(scene.caption == text for text, scene in scenes.items())


def test_a_caption_that_is_not_held_out_is_refused(monkeypatch):
    monkeypatch.setattr("evalsuite.encoders.training.held_out.MOST", 50)
    with pytest.raises(InputError, match="held_out_prompts"):
        scenes_of(["a cat on a white background"])


def examined(name: str, aspect: str, hits: list[bool]) -> Examined:
    texts = tuple(f"text {number}" for number in range(len(hits)))
    return Examined(name, aspect, 256, 256, texts, tuple({COUNT: hit} for hit in hits), 0.25)


def test_ratios_are_compared_caption_by_caption():
    ratios = [examined("a", "16:9", [True, False, False]), examined("a", "1:1", [True, True, False])]
    ratios.append(examined("a", "3:2", [True, False, False]))
    change = against_ratio(ratios, "a", COUNT)
    assert change.value == pytest.approx((0 - 0.5 + 0) / 3)
    assert change.clusters == 3
    assert against_ratio(ratios, "a", RELATION) is None


def test_tables_and_json_say_the_same_and_leave_out_what_does_not_apply():
    found = [examined(name, aspect, [True] * 3 + [False]) for aspect in ("1:1", "16:9") for name in ("real", "a")]
    figures = as_json(found)
    assert figures["ratios"]["1:1"]["a"][COUNT]["value"] == 0.75
    assert figures["ratios"]["1:1"]["a"][RELATION] is None
    most = share([False] * 4, range(4)).high
    same = {COUNT: {"value": 0, "low": -most, "high": most, "n": 4}}  # none of four differs: more could
    assert figures["16:9 minus others"] == {"a": same, "real": same}
    text = as_markdown(found, "real")
    assert "| right pictures | a | real |" in text
    assert "| count of two to four | 75.0 % [" in text
    assert "| relation | n = 0 | n = 0 |" in text
    assert f"+0.0 [{-100 * most:.1f}, +{100 * most:.1f}], n = 4" in text
    assert all(f"*{measure}*" in text for measure in ABOUT)


def test_a_run_is_examined_beside_real_renders_of_its_captions(sprites, tmp_path, monkeypatch, capsys):
    some = list(islice(held_out_prompts.held_out_scenes(), 3 * AMONG))
    singles = [scene for scene in some if scene.layout == "single"][:1]  # each has 100 texts to be read
    texts = [scene.caption for scene in (*singles, *(s for s in some if s.layout != "single"))][:AMONG]
    (tmp_path / "captions.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    made = {"models": ("toy",), "prompts": str(tmp_path / "captions.txt"), "aspects": ("1:1",), "pixels": 64 * 64}
    run = generate_images(RunSpec(**made, steps=1, output_dir=str(tmp_path / "run")))
    save_tensors(tmp_path / "detector" / "detector.safetensors", Namer().state_dict(), {})
    words = [str(run), "--sprites", str(sprites), "--detector", str(tmp_path / "detector")]
    monkeypatch.setattr("sys.argv", ["examine", *words, "--json", str(tmp_path / "figures.json")])
    monkeypatch.setattr("evalsuite.encoders.training.examine.torch.set_num_threads", lambda threads: None)
    examine.main()
    figures = json.loads((tmp_path / "figures.json").read_text())
    toy, real = figures["ratios"]["1:1"]["toy"], figures["ratios"]["1:1"][examine.REAL]
    assert toy["pictures"] == real["pictures"] == AMONG
    assert real[BORDER]["value"] == 1 > toy[BORDER]["value"]
    assert real["fd"] < toy["fd"]
    assert figures["runs"][0]["prompts"] == {"name": "captions", "used": AMONG}
    assert "### 1:1 (64 x 64 pixels), 100 captions" in capsys.readouterr().out


def test_two_runs_of_one_model_are_not_taken_for_one(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat on a red background\n", encoding="utf-8")
    made = {"models": ("toy",), "prompts": str(tmp_path / "captions.txt"), "aspects": ("1:1",), "pixels": 64 * 64}
    for name in ("a", "b"):
        generate_images(RunSpec(**made, steps=1, output_dir=str(tmp_path / name)))
    samples, about, texts = examine.opened([tmp_path / "a"])
    assert [sample.model for sample in samples] == ["toy"]
    assert about[0]["models"].keys() == {"toy"}
    assert texts == ["a cat on a red background"]
    with pytest.raises(InputError, match="toy is in another of the runs too"):
        examine.opened([tmp_path / "a", tmp_path / "b"])
