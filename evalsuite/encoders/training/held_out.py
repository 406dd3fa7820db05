"""The scenes behind captions of the held-out prompts, and real pictures of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from random import Random

import numpy as np

from backbones.training.held_out_prompts import held_out_scenes
from backbones.training.render import Renderer
from backbones.training.scene import Scene
from evalsuite.aspects.counter import Pixels
from evalsuite.errors import InputError

MOST = 20_000
"""Scenes that are looked through."""


def scenes_of(texts: Iterable[str]) -> dict[str, Scene]:
    """Caption to scene, in the order given, found by drawing the held-out prompts again.

    Raises:
        InputError: a caption is none of the first MOST.
    """
    wanted, found = list(dict.fromkeys(texts)), dict[str, Scene]()
    left = set(wanted)
    for scene in islice(held_out_scenes(), MOST):
        if not left:
            break
        if scene.caption in left:
            found[scene.caption] = scene
            left.remove(scene.caption)
    if left:
        raise InputError(
            f"{min(left)!r} is no held-out caption: make the run with --prompts held-out, or with a file of "
            "python -m backbones.training.held_out_prompts"
        )
    return {text: found[text] for text in wanted}


def rendered(renderer: Renderer, scene: Scene, width: int, height: int) -> Pixels:
    """A real picture of a scene (height, width, 3); places are those of its caption."""
    return np.asarray(renderer.draw(scene, width, height, Random(scene.caption)))
