"""Captions that are nearly right, so that the scorer learns colours, numbers and relations and not names alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from backbones.training.names import NAMES
from backbones.training.scene import COLOURS, RELATIONS, Scene, Subject


def near_miss(scene: Scene, random: Random) -> Scene:
    """The scene with exactly one fact changed: background, a tint, a name, the number, or the relation."""
    changes = [_background, _tint, renamed]
    if scene.relation is None:
        changes.append(_number)
    elif scene.relation in RELATIONS:
        changes += [_relation, _relation]
    return random.choice(changes)(scene, random)


def renamed(scene: Scene, random: Random) -> Scene:
    """The scene with another thing in the place of one of its subjects."""
    place = random.randrange(len(scene.subjects))
    taken = {subject.name for subject in scene.subjects}
    name = random.choice([name for name in NAMES if name not in taken])
    return _with(scene, place, replace(scene.subjects[place], name=name))


def _other(options: Iterable[str], taken: str, random: Random) -> str:
    return random.choice([option for option in options if option != taken])


def _background(scene: Scene, random: Random) -> Scene:
    return replace(scene, background=_other(COLOURS, scene.background, random))


def _tint(scene: Scene, random: Random) -> Scene:
    place = random.randrange(len(scene.subjects))
    subject = scene.subjects[place]
    colours = [colour for colour in COLOURS if colour not in (scene.background, subject.colour)]
    return _with(scene, place, replace(subject, colour=random.choice(colours)))


def _number(scene: Scene, random: Random) -> Scene:
    return replace(scene, count=int(_other("1234", str(scene.count), random)))


def _relation(scene: Scene, random: Random) -> Scene:
    return replace(scene, relation=_other(RELATIONS, scene.relation or "", random))


def _with(scene: Scene, place: int, subject: Subject) -> Scene:
    subjects = list(scene.subjects)
    subjects[place] = subject
    return replace(scene, subjects=tuple(subjects))
