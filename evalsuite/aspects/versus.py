"""Two models at every ratio: the same weights with their positions placed otherwise, or another network altogether.

Rows: ``against-first=3:2`` is a model's value at 3:2 minus the first model's, prompt by prompt.
"""

from __future__ import annotations

from evalsuite.aspects.along import Weights
from evalsuite.aspects.columns import columns
from evalsuite.aspects.images import clusters_of, key_of
from evalsuite.aspects.table import Family, changes, difference
from evalsuite.pairing import clash
from evalsuite.rows import Row
from evalsuite.scorecard import Scorecard

KIND = "against-first"


def against_first(first: Scorecard, other: Scorecard, name: str) -> list[Row] | str:
    """A metric of one model minus the first one's at every ratio that both have; or why there is nothing to compare.

    Args:
        first: what it is held against.
        other: the model.
        name: of a metric that the other has.
    """
    if name not in first.metrics:
        return f"{first.model} was not scored by it"
    if why := clash(first.metrics[name].protocol, other.metrics[name].protocol):
        return why
    texts = {key_of(image): (image.text, image.base) for image in first.images}
    same = {key_of(image) for image in other.images if texts.get(key_of(image)) == (image.text, image.base)}
    one, two = columns(first, first.metrics[name]), columns(other, other.metrics[name])
    shared = [aspect for aspect in two.names if aspect in one.names]
    if not shared or not same:
        return f"{first.model} has no image of the same prompt and ratio"
    sides = one.only(same).renamed("first ", shared).with_others(two.only(same).renamed("other ", shared))
    found = sides.along(clusters_of(first))
    if isinstance(found, str):
        return found
    weights: dict[str, Weights] = {aspect: difference(f"other {aspect}", f"first {aspect}") for aspect in shared}
    family = Family(weights, list(weights.values()), f"minus {first.model}")
    return changes(found, family, other.model, other.metrics[name], KIND)
