"""Which part of a network an operator belongs to, from the modules that were running when it ran.

An attention module is known by what it does: it multiplies activations with activations. So networks of any
origin are told apart; names are asked only for feed-forward layers and embeddings, and what neither tells is ``other``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import nn

from evalsuite.cost.counter import Event

PARTS = ("core", "projections", "mlp", "convolution", "other")
_MLP_NAMES = re.compile(r"(mlp|ff|ffn|ff_context|feed_?forward|proj_mlp|fc_?\d?|wi(_\d)?|wo)", re.I)
_MLP_CLASSES = re.compile(r"mlp|swiglu|feed_?forward|ffn|glumbconv|^geglu$|gateddense", re.I)
_EMBEDDINGS = re.compile(r"embed|^time(step)?s?($|_)", re.I)


@dataclass(frozen=True, slots=True)
class Split:
    """FLOP of one pass, by part; together they are all that was counted.

    Attributes:
        core: of attention: queries with keys and scores with values, or what a linear attention does instead.
        projections: of attention: to queries, keys, values, and out.
        mlp: feed-forward layers.
        convolution: those outside attention and feed-forward layers.
        other: embeddings, modulation, what no rule tells.
        linear_core: what the core would be with linear attention; None where it cannot be told.
        longest: tokens of the longest attention; 0 without any.
    """

    core: int = 0
    projections: int = 0
    mlp: int = 0
    convolution: int = 0
    other: int = 0
    linear_core: int | None = 0
    longest: int = 0

    @property
    def total(self) -> int:
        """Of the pass."""
        return self.rest + self.core

    @property
    def rest(self) -> int:
        """Everything but the core of attention."""
        return self.projections + self.mlp + self.convolution + self.other


def split(events: Sequence[Event], root: nn.Module) -> Split:
    """Events of one pass, by part.

    Args:
        events: of a `Counter`.
        root: the network that ran, for the names of its modules.
    """
    names = {module: name.rpartition(".")[2] for name, module in root.named_modules()}
    paths = [tuple(module for module in event.path if module is not root) for event in events]
    attending = {path[-1] for path, event in zip(paths, events, strict=True) if event.kind == "core" and path}
    shares: dict[str, Fraction] = dict.fromkeys(PARTS, Fraction(0))
    for path, event in zip(paths, events, strict=True):
        for part, share in _parts(event.kind, path, names, attending):
            shares[part] += share * event.flops
    whole = {part: int(share) for part, share in shares.items()}
    whole["other"] += sum(event.flops for event in events) - sum(whole.values())  # of shares that are no whole numbers
    cores = [event for event in events if event.kind == "core"]
    linear = [event.scores.linear_flops for event in cores if event.scores is not None]
    return Split(
        **whole,
        linear_core=sum(linear) if len(linear) == len(cores) else None,
        longest=max((event.longest for event in cores), default=0),
    )


def _parts(
    kind: str, path: Sequence[nn.Module], names: Mapping[nn.Module, str], attending: Collection[nn.Module]
) -> Iterator[tuple[str, Fraction | int]]:
    """Parts that an operator belongs to, with their shares; the innermost module that tells decides."""
    if kind == "core":
        yield "core", 1
        return
    called = [(module, names.get(module, ""), type(module).__name__) for module in path]
    if any(_EMBEDDINGS.search(word) for _, *words in called for word in words):
        yield "other", 1
        return
    for place, (module, name, of_class) in reversed(list(enumerate(called))):
        if _MLP_NAMES.fullmatch(name) or _MLP_CLASSES.search(of_class):
            yield "mlp", 1
            return
        if module in attending:
            yield "projections", 1
            return
        if place and (share := _joint_share(module, path[place - 1])) is not None:
            yield "mlp", share
            yield "projections", 1 - share
            return
    yield "convolution" if kind == "convolution" else "other", 1


def _joint_share(layer: nn.Module, parent: nn.Module) -> Fraction | None:
    """The feed-forward layer's share of a projection that it has in common with attention, as in Flux's blocks."""
    hidden = getattr(parent, "proj_mlp", None)
    joint = getattr(parent, "proj_out", None)
    if layer is not joint or not isinstance(hidden, nn.Linear) or not isinstance(joint, nn.Linear):
        return None
    return Fraction(hidden.out_features, joint.in_features)
