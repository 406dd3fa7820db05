"""Does the bundled scorer find the right caption of a picture, or the right name, among a hundred?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backbones.training.data import random_for
from backbones.training.names import NAMES
from backbones.training.scene import Scene
from evalsuite.encoders.protocol import Encoder

AMONG = 100


def retrieved(image: np.ndarray, texts: Sequence[str], features: np.ndarray, all_texts: Sequence[str]) -> list[bool]:
    """For each image (n, d): does its own text score best among itself and 99 others, drawn from a fixed seed?"""
    places = {text: place for place, text in enumerate(all_texts)}
    hits = []
    for row, text in zip(image, texts, strict=True):
        others = [place for other, place in places.items() if other != text]
        rivals = random_for("retrieval", 0, places[text]).sample(others, AMONG - 1)
        scores = features[[places[text], *rivals]] @ row
        hits.append(bool(scores.argmax() == 0))
    return hits


def named(image: np.ndarray, texts: Sequence[str], variants: Mapping[str, np.ndarray]) -> list[bool | None]:
    """For each image (n, d): does the first of its text's variants (m, d) score best? None where it has none."""
    pairs = zip(image, texts, strict=True)
    return [bool((variants[text] @ row).argmax() == 0) if text in variants else None for row, text in pairs]


class Captions:
    """The captions of a run as the scorer reads them, each with its rivals.

    Args:
        encoder: the scorer.
        scenes: caption to scene; at least AMONG.
    """

    def __init__(self, encoder: Encoder, scenes: Mapping[str, Scene]) -> None:
        self._texts = list(scenes)
        self._features = encoder.texts(self._texts)
        singles = {text: scene for text, scene in scenes.items() if scene.layout == "single"}
        self._names = {text: encoder.texts(_renamed(scene)) for text, scene in singles.items()}

    def found(self, image: np.ndarray, texts: Sequence[str]) -> tuple[list[bool], list[bool | None]]:
        """For images (n, d) of these captions: is the caption found, and, of single objects, the name?"""
        return retrieved(image, texts, self._features, self._texts), named(image, texts, self._names)


def _renamed(scene: Scene) -> list[str]:
    """The scene's caption, and the same with 99 other names."""
    (subject,) = scene.subjects
    others = [name for name in NAMES if name != subject.name]
    names = [subject.name, *random_for(f"names|{scene.caption}", 0, 0).sample(others, AMONG - 1)]
    return [replace(scene, subjects=(replace(subject, name=name),)).caption for name in names]
