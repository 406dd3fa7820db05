"""Which sampler a run takes with a model: settled per model, because each has samplers of its own."""

from __future__ import annotations

from dataclasses import dataclass

from evalsuite.errors import InputError
from evalsuite.spec import SAMPLERS, RunSpec

DEFAULT = "euler"
SHIFT = 1.5
"""Of our samplers, with a model that names none."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model's images are sampled, besides steps and guidance.

    Attributes:
        sampler: its name.
        shift: time shift; None where the sampler has none, or where the model sets it by a rule of its own.
    """

    sampler: str
    shift: float | None


def sampling_of(model: object, spec: RunSpec, name: str) -> Sampling:
    """The sampler and the time shift of a model in a run.

    A model's own samplers come before ours of the same name; ``auto`` is the first of them, or our Euler for a model
    without any.

    Args:
        model: a `backbones.protocol.TextToImage`.
        spec: of the run.
        name: of the model, for the error message.

    Raises:
        InputError: the model has no such sampler; says which it has.
    """
    own = own_samplers(model)
    known = tuple(dict.fromkeys([*own, *SAMPLERS]))
    sampler = known[0] if own and spec.sampler == "auto" else DEFAULT if spec.sampler == "auto" else spec.sampler
    if sampler not in known:
        raise InputError(f"sampler {sampler!r} is not one of model {name!r}: use auto, {', '.join(known)}")
    suits = getattr(model, "shift", None)
    if sampler in own:
        return Sampling(sampler, None if suits is None else spec.shift)
    return Sampling(sampler, spec.shift if spec.shift is not None else SHIFT if suits is None else float(suits))


def predictions(steps: int, sampler: str) -> int:
    """Predictions of the model per image."""
    return steps * (2 if sampler in ("heun", "midpoint") else 1)


def own_samplers(model: object) -> tuple[str, ...]:
    """Names that a model's own `path` takes; empty for a model without one."""
    return tuple(getattr(model, "samplers", ())) if hasattr(model, "path") else ()
