"""What a picture of a scene gets right, by measures that share no network with the generators.

Background and object colours are pixel tests; counts are those of `evalsuite.aspects.counter`; names and relations are
the detector's. A measure that does not apply to a scene is absent.
"""

from __future__ import annotations

import numpy as np

from backbones.training.scene import COLOURS, RELATIONS, Scene
from evalsuite.aspects.counter import Pixels, find_objects
from evalsuite.encoders.training.detector import Detector, placed
from evalsuite.encoders.training.object_colour import object_colour
from evalsuite.encoders.training.retrieval import AMONG

FRAME = 4  # pixels of border that the background's colour is read from
CAPTION, SINGLE, NAME = f"caption among {AMONG}", f"caption among {AMONG}, single objects", f"name among {AMONG}"
DETECTED, BORDER, TINT = "name by the detector", "background colour", "object colour"
RELATION, BOTH, COUNT, OBJECTS = "relation", "relation, both named", "count of two to four", "count of all"
ABOUT = {
    CAPTION: "the bundled scorer ranks the picture's caption first among 100 of the set",
    SINGLE: "the same, for pictures of a single object",
    NAME: "single objects: the scorer ranks the caption first among 100 that differ in the name alone",
    DETECTED: "single objects: one object, and the detector's likeliest of all 203 names is right",
    BORDER: "plain backgrounds: the named colour is nearest to the median of the border; no network",
    TINT: "one tinted object or several: the named tint is nearest to the object's pixels; no network",
    RELATION: "left, right, above, below: two objects, placed as asked when each is taken for what the detector holds "
    "likelier of the two names",
    BOTH: "the same, and both names are the detector's likeliest of all 203",
    COUNT: "captions with two, three or four: as many objects; no network",
    OBJECTS: "all captions: as many objects; no network",
}
"""Every measure, in the order of tables, in words."""


def judged(pixels: Pixels, scene: Scene, detector: Detector) -> dict[str, bool]:
    """What a picture (H, W, 3) of a scene gets right, of what applies to it."""
    objects = find_objects(pixels)
    found = [] if objects is None else detector.name(pixels, objects)
    names, wanted = [each.name for each in found], [subject.name for subject in scene.subjects]
    number = scene.count * len(scene.subjects)
    hits = {OBJECTS: len(found) == number}
    if not scene.gradient:
        hits[BORDER] = border_colour(pixels) == scene.background
    if scene.layout == "single":
        hits[DETECTED] = names == wanted
    if scene.count > 1:
        hits[COUNT] = hits[OBJECTS]
    if len(wanted) == 1 and scene.subjects[0].colour:
        hits[TINT] = objects is not None and object_colour(pixels, objects) == scene.subjects[0].colour
    if scene.relation in RELATIONS:
        hits[RELATION] = placed(found, wanted[0], wanted[1], scene.relation)
        hits[BOTH] = hits[RELATION] and sorted(names) == sorted(wanted)
    return hits


def border_colour(pixels: Pixels) -> str:
    """The named colour nearest to the median of a FRAME-pixel border; pixels (H, W, 3) uint8."""
    inner = np.ones(pixels.shape[:2], bool)
    inner[FRAME:-FRAME, FRAME:-FRAME] = False
    median = np.median(pixels[inner], axis=0)
    return min(COLOURS, key=lambda name: float(((median - COLOURS[name]) ** 2).sum()))
