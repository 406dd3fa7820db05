"""What a reader of the card must know to judge its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from evalsuite.aspects import counting
from evalsuite.aspects.letterbox import Padding
from evalsuite.rows import Row
from evalsuite.scorecard import Scorecard

TOGETHER = (
    "differences are paired by prompt and index; intervals of changes hold at 95 % for all ratios of one metric and "
    "model together (max-t bootstrap over prompt families; counts by t after Bonferroni), so that the worst ratio, "
    "which its value picked, is allowed for; those of landscape minus portrait hold each by itself; nothing allows for "
    "many metrics and models; * marks an interval without 0"
)
CONTROL = (
    "control: each 1:1 image scaled to fit into every other ratio, the rest filled with {}, and scored by the same "
    "networks; left over is the change from 1:1 less the control's"
)
FILLED = {Padding.border: "the image's own border colour", Padding.black: "black", Padding.grey: "mid grey"}
COUNTER = (
    "objects are counted by pixels alone, with an error of its own: real renders of known number stand beside every "
    "count, as drawn, through the bundled autoencoder, and doubled as generators fail; nothing is subtracted"
)
ABLATION = (
    "{}: the weights of dit at inference with other positions of the image tokens, not a network that was trained so"
)
UNPLACED = "unet has no positions: what positions do at other ratios is seen against it with another architecture"


def explained(cards: Sequence[Scorecard], padding: Padding, rows: Sequence[Row]) -> Iterator[str]:
    """How intervals, control and counts were made, and what a model is where its name does not say it all.

    Args:
        cards: of the models.
        padding: of the control.
        rows: that are shown.
    """
    from evalsuite.publish import BUNDLED_NOTE

    yield TOGETHER
    if any(row.slice.startswith("bias=") for row in rows):
        yield CONTROL.format(FILLED[padding])
    if any(row.metric in counting.TITLES and row.model not in counting.COUNTER for row in rows):
        yield COUNTER
    moved = [card.model for card in cards if _is_moved(card.model)]
    for model in moved:
        yield ABLATION.format(model)
    if moved and any(card.model == "unet" for card in cards):
        yield UNPLACED
    if any("@scenes" in row.metric for row in rows):
        yield BUNDLED_NOTE


def shared(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Pairs of note and model: each note once, with the models that it is about."""
    about: dict[str, dict[str, None]] = {}
    for note, model in notes:
        about.setdefault(note, {})[model] = None
    return [f"{', '.join(models)}: {note}" for note, models in about.items()]


def _is_moved(model: str) -> bool:
    """Whether a label names the bundled transformer with positions that it was not trained with."""
    target, _, arguments = model.partition("?")
    return target == "dit" and "positions=" in arguments and "positions=centred" not in arguments
