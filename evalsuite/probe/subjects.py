"""Who is probed: models by name, what each can tell, and why one cannot be shown the bank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backbones.native import NativeModel
from backbones.protocol import ReadsImages, TextToImage
from evalsuite import attention, models
from evalsuite.errors import InputError
from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.model_source import labels
from evalsuite.probe.bank import Bank
from evalsuite.probe.pictures import Picture
from evalsuite.progress import plain
from evalsuite.spec import RunSpec
from prompts import Prompt

EXPANDED = {"eps": "1 / (1 - t)", "x0": "1 / t"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and what it can be asked.

    Attributes:
        name: as given.
        label: short, for people.
        fingerprint: of weights and configuration.
        latent_space: models with the same one are shown the same bank.
        span: first and last time of the flow at which it tells a velocity.
        has_null: whether it has a null prompt: without one there is neither an unconditional nor a guided field.
        notes: where it does not follow its checkpoint to the letter, and what its fields mean.
    """

    name: str
    label: str
    fingerprint: str
    latent_space: str
    span: tuple[float, float]
    has_null: bool
    notes: tuple[str, ...] = ()


class Shelf:
    """Models by name; the first is kept from when it was looked at to when it is used, the others load again."""

    def __init__(self, run: RunSpec) -> None:
        self._run = run
        self._kept: dict[str, TextToImage] = {}

    def look(self, name: str) -> TextToImage:
        """The model, on the CPU."""
        if name in self._kept:
            return self._kept[name]
        model = models.resolve(name, self._run.model_args)
        if not self._kept:
            self._kept[name] = model
        return model

    def take(self, name: str) -> TextToImage:
        """The model on its device, in its dtype; the shelf keeps no hold of it."""
        model = self._kept.pop(name, None) or models.resolve(name, self._run.model_args)
        return models.place(model, self._run.device, self._run.dtype)


def subject(name: str, label: str, model: TextToImage, run: RunSpec, captions: Sequence[str]) -> Subject:
    """What a model can be asked.

    Args:
        name: as given.
        label: for people.
        model: on the CPU.
        run: of the probe.
        captions: of the pictures; empty where they have none.

    Raises:
        InputError: it predicts nothing (a folder of images), or nothing without guidance (distilled); it cannot be
            told a caption, or there is nothing that it could be told: no captions, and no null prompt.
    """
    if isinstance(model, ImageFolder):
        raise InputError(f"model {name!r} is a folder of images, which predicts nothing: show it to others with --data")
    if getattr(model, "guided", None) is not None:
        raise InputError(
            f"model {name!r} is distilled: its predictions carry guidance, and it tells neither the conditional nor the"
            " unconditional velocity that a probe asks for: probe the model that it was distilled from"
        )
    attention.check_model(model, run.attention, name)
    notes = [*getattr(model, "notes", ()), *_unread(model, captions)]
    has_null = _has_null(model, run, captions)
    if not captions and not has_null:
        raise InputError(
            f"model {name!r} has no null prompt and the pictures have no captions: give some with --prompts"
        )
    span = model.native.times if isinstance(model, NativeModel) else (0.0, 1.0)
    if has_null and "guidance" in model.encode([""]):
        notes.append("guidance is an input of the network: its conditional field is what it predicts when told 1")
    if isinstance(model, NativeModel) and model.native.prediction in EXPANDED:
        said = model.native.prediction
        notes.append(f"it predicts {said}: reading that as a velocity multiplies its error by {EXPANDED[said]}")
    space = str(getattr(model, "latent_space", "") or f"of {model.fingerprint}")
    return Subject(name, label, model.fingerprint, space, span, has_null, tuple(notes))


def check_pictures(model: TextToImage, name: str, pictures: Sequence[Picture]) -> ReadsImages:
    """A model that can be shown these pictures.

    Raises:
        InputError: it has no `latents`, or takes no pictures of such a size.
    """
    if not hasattr(model, "latents"):
        raise InputError(
            f"model {name!r} has no `latents`, which would turn pictures into what its denoiser sees: add it (see"
            " backbones.protocol.ReadsImages), or name a saved bank of its latent space with --bank"
        )
    for picture in pictures:
        try:
            model.latent_shape(picture.width, picture.height)
        except ValueError as error:
            raise InputError(f"{picture.id}: model {name!r}: {error}; choose a --size that it takes") from error
    return model  # type: ignore[return-value]  # it has what the protocol asks for


def check_bank(found: Subject, bank: Bank, model: TextToImage) -> None:
    """Raise InputError where a bank's latents have not the shapes of a model's."""
    for image, x0 in zip(bank.images, bank.x0, strict=True):
        try:
            shape = tuple(model.latent_shape(image.width, image.height))
        except ValueError as error:
            raise InputError(f"bank: {image.id}: model {found.name!r}: {error}; make another bank") from error
        if shape != tuple(x0.shape):
            raise InputError(f"bank: {image.id} is {tuple(x0.shape)}, model {found.name!r} has {shape}: make another")


def every_label(names: Sequence[str]) -> dict[str, str]:
    """Short names for people, each made printable."""
    return {name: plain(label) for name, label in labels(names).items()}


def _unread(model: TextToImage, captions: Sequence[str]) -> Iterator[str]:
    """A note on words that do not reach the model.

    Raises:
        InputError: the model knows classes, and a caption is none of them.
    """
    try:
        lost = [bool(model.unknown_words(caption)) for caption in captions]
    except InputError as error:
        raise InputError(f"{error}; or --prompts none, for its unconditional field alone") from error
    if any(lost):
        yield f"{sum(lost)} of {len(lost)} captions have words that do not reach it"


def _has_null(model: TextToImage, run: RunSpec, captions: Sequence[str]) -> bool:
    """Whether guidance has a meaning: a model that it has none for refuses such a run, and takes one without."""
    if not hasattr(model, "check_run"):
        return True
    prompts = [Prompt(f"p{place}", caption) for place, caption in enumerate(captions)]
    model.check_run(prompts, replace(run, guidance=1.0))
    try:
        model.check_run(prompts, replace(run, guidance=2.0))
    except InputError:
        return False
    return True
