"""What models are shown: pictures that each latent space gets a bank of, or banks that were saved before."""

from __future__ import annotations

from backbones.protocol import TextToImage
from evalsuite.errors import InputError
from evalsuite.probe import bank_file, subjects
from evalsuite.probe.bank import Bank, build, recipe_of, shown
from evalsuite.probe.pictures import chosen
from evalsuite.probe.spec import ProbeSpec
from evalsuite.probe.subjects import Subject
from evalsuite.progress import Progress


class Showing:
    """Pictures or saved banks.

    Attributes:
        is_saved: whether they are banks.
        images: how many, P.
        captions: of all images; empty unless every image has one.
        times: of the bank.
        recipe: SHA-256 of what banks of all latent spaces share.
    """

    def __init__(self, spec: ProbeSpec, progress: Progress) -> None:
        """Read what there is to show.

        Raises:
            InputError: settings out of range, pictures that cannot be used, or banks that do not belong together.
        """
        self._recipe, self._given = spec.recipe(), spec.bank
        self._pictures = [] if self._recipe is None else chosen(self._recipe, progress)
        saved = [] if spec.bank is None else [bank_file.read(path) for path in bank_file.find(spec.bank)]
        if len({bank.recipe for bank in saved}) > 1:
            raise InputError(f"--bank {spec.bank}: holds banks of different pictures or noise: name one of the files")
        self._banks = {bank.latent_space: bank for bank in saved}
        self.is_saved = self._recipe is None
        if self._recipe is None:
            images, self.times, self.recipe = saved[0].images, saved[0].times, saved[0].recipe
        else:
            asked = self._recipe
            images, self.times = shown(self._pictures), asked.times
            self.recipe = recipe_of(images, asked.times, asked.draws, asked.antithetic, asked.seed)
        self.images = len(images)
        captions = [image.caption for image in images if image.caption is not None]
        self.captions = captions if len(captions) == len(images) else []

    def check(self, subject: Subject, model: TextToImage) -> None:
        """Raise InputError where a model cannot be shown it."""
        if self.is_saved:
            subjects.check_bank(subject, self.saved(subject), model)
        else:
            subjects.check_pictures(model, subject.name, self._pictures)

    def saved(self, subject: Subject) -> Bank:
        """The saved bank of a model's latents.

        Raises:
            InputError: there is none.
        """
        if subject.latent_space not in self._banks:
            raise InputError(
                f"--bank {self._given}: has no latents of model {subject.name!r}, whose autoencoder is another: leave"
                " --bank out, and one is made from pictures"
            )
        return self._banks[subject.latent_space]

    def built(self, subject: Subject, model: TextToImage, device: str) -> Bank:
        """A bank of the pictures, encoded by a model on its device."""
        assert self._recipe is not None
        reader = subjects.check_pictures(model, subject.name, self._pictures)
        return build(self._recipe, self._pictures, reader, subject.latent_space, device)
