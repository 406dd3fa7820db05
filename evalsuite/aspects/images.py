"""The images of a scorecard by aspect ratio, and as the samples that networks and the counter look at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalsuite.aspects.along import Key
from evalsuite.errors import InputError
from evalsuite.pairing import is_scored
from evalsuite.samples import Sample
from evalsuite.scorecard import Scorecard, ScoredImage
from evalsuite.sizes import parse_ratio


def aspects_of(cards: Iterable[Scorecard]) -> list[str]:
    """The ratios that any card has scored images of, from tall to wide."""
    found = {image.aspect for card in cards for image in card.images if image.aspect and is_scored(image)}
    return sorted(found, key=parse_ratio)


def square_of(aspects: Iterable[str]) -> str | None:
    """The ratio among these that is 1:1, however it is written."""
    return next((aspect for aspect in aspects if parse_ratio(aspect) == 1), None)


def key_of(image: ScoredImage) -> Key:
    """What it shares with the same prompt's images at other ratios."""
    return image.prompt_id, image.index


def by_aspect(card: Scorecard) -> dict[str, dict[Key, ScoredImage]]:
    """Ratio, from tall to wide, to key to scored image.

    Raises:
        InputError: two images of one ratio, prompt and index.
    """
    found: dict[str, dict[Key, ScoredImage]] = {aspect: {} for aspect in aspects_of([card])}
    for image in card.images:
        if image.aspect in found and is_scored(image):
            other = found[image.aspect].setdefault(key_of(image), image)
            if other is not image:
                raise InputError(f"{other.id} and {image.id} share ratio, prompt and index: score one of them alone")
    return found


def clusters_of(card: Scorecard) -> dict[Key, str]:
    """Of each key what its scores may depend on."""
    return {key_of(image): image.cluster for image in card.images}


def sample_of(card: Scorecard, image: ScoredImage, folder: Path) -> Sample | None:
    """An image as metrics see it; None where the scorecard has no file of it, as one of a baseline.

    Args:
        card: whose image it is.
        image: scored.
        folder: that the card was read from.
    """
    file = Path(image.file or "")
    if ".." in file.parts or None in (image.width, image.height, image.pixel_sha256) or not (folder / file).is_file():
        return None
    return Sample(
        id=image.id,
        model=card.model,
        prompt_id=image.prompt_id,
        text=image.text,
        base=image.base,
        tags=image.tags,
        aspect=image.aspect,
        width=int(image.width or 0),
        height=int(image.height or 0),
        index=image.index,
        seed=image.seed or 0,
        pixel_sha256=str(image.pixel_sha256),
        file=folder / file,
    )
