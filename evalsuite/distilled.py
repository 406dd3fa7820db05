"""What a run may ask of a distilled model, and what must be said of it. Light."""

from __future__ import annotations

from evalsuite.errors import InputError
from evalsuite.sampling import Sampling
from evalsuite.spec import RunSpec


def asked(guidance: float, guided: float | None) -> int:
    """Rows that a network sees for one prediction: two where both predictions of guidance are made.

    Args:
        guidance: scale of the run.
        guided: scale that the model's predictions carry already; None where they carry none.
    """
    return 1 if guidance == 1 or guided is not None else 2


def check_guidance(name: str, guided: float | None, guidance: float, negative_prompt: str = "") -> None:
    """Refuse what a model cannot do whose predictions carry guidance.

    Raises:
        InputError: another scale, or a prompt to lead away from.
    """
    if guided is None:
        return
    if guidance != guided:
        raise InputError(
            f"--guidance {guidance:g}: model {name!r} is distilled, its predictions carry guidance {guided:g} and have"
            f" no other: use --guidance {guided:g}, or the model that it was distilled from"
        )
    if negative_prompt:
        raise InputError(
            f"--negative-prompt: model {name!r} is distilled and asked without one, so that it would change nothing:"
            " leave it out, or use the model that it was distilled from"
        )


def notes_of(model: object, spec: RunSpec, sampling: Sampling) -> tuple[str, ...]:
    """What a reader must know of a distilled model's run; nothing of another model's."""
    distilled = getattr(model, "distilled", None)
    if distilled is None:
        return ()
    note = f"distilled: {distilled}"
    if (sampling.sampler, spec.steps, sampling.shift) == ("euler", distilled.steps, distilled.shift):
        return (note,)
    shift = "" if sampling.shift is None else f" of shift {sampling.shift:g}"
    return (f"{note}; not made for the {spec.steps} steps of {sampling.sampler}{shift} that this run takes",)
