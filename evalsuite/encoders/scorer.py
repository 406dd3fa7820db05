"""From a network's name to the network, the preference head and the reference images that metrics need of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from evalsuite.encoders.preference import PreferenceHead
from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.errors import InputError
from evalsuite.reference import Reference
from evalsuite.scorers import FP32, ScorerName, scorer_name


@dataclass(frozen=True)
class Scorer:
    """What images are scored with; None where no metric asked for it."""

    encoder: ImageEncoder | None = None
    head: PreferenceHead | None = None
    head_sha256: str = ""
    reference: Reference | None = None

    def __post_init__(self) -> None:
        encoder, reference = self.encoder, self.reference
        if encoder and reference and not reference.made_by(encoder.id, encoder.fingerprint):
            raise InputError(
                f"the reference was made by {reference.extractor} {reference.fingerprint[:12]}, the encoder is"
                f" {encoder.id} {encoder.fingerprint[:12]}: make it again with `evalsuite stats build`"
            )


def load_scorer(
    name: ScorerName,
    uses: Collection[str],
    device: str = "cpu",
    given: Iterable[str] = (),
    encoder: ImageEncoder | None = None,
) -> Scorer:
    """A network with what these metrics need beside it, but for reference images.

    Args:
        name: of the network.
        uses: of evalsuite.metrics.base.USES.
        device: of the network.
        given: ``NAME=PATH`` pairs of weight files.
        encoder: the network, where it is loaded already.

    Raises:
        InputError: a file is missing, altered or of another architecture.
    """
    from evalsuite.encoders import preference

    looks = bool({"encoder", "images", "preference"} & set(uses))
    head, head_sha256 = preference.load() if "preference" in uses and name.kind == "scenes" else (None, "")
    return Scorer((encoder or load_encoder(name, device, given)) if looks else None, head, head_sha256)


def load_encoder(name: ScorerName | str, device: str = "cpu", given: Iterable[str] = ()) -> ImageEncoder:
    """A network by name; published ones are built only when they first see an image or a text.

    Raises:
        InputError: unknown, not for this device, its weights are not here (says the command that fetches them), or
            altered.
    """
    name = scorer_name(name) if isinstance(name, str) else name
    if name.precision != FP32 and not device.startswith("cuda"):
        raise InputError(f"{name.id} computes in {name.precision}, on a GPU only: use --device cuda, or {name.plain}")
    if name.kind == "scenes":
        from evalsuite.encoders import scenes

        return scenes.load(device)
    if name.kind == "clip":
        from evalsuite.encoders import clip_source

        return clip_source.load(name, device, given)
    from evalsuite.weights.find import ready

    path, known = ready(name.weights, given)
    if name.kind == "hps":
        if name.rule == "hpsv2":
            from evalsuite.encoders import hpsv2_backend

            return hpsv2_backend.load(path, known.source_sha256, name.network, device)
        from evalsuite.encoders import hps

        return hps.load(path, known.source_sha256, name.network, name.rule != "noaa", device, name.precision)
    if name.kind == "inception":
        from evalsuite.encoders import inception

        return inception.load(path, known.source_sha256, name.rule, device, name.precision)
    from evalsuite.encoders import dinov2

    return dinov2.load(path, known.source_sha256, name.rule, device)


def is_here(name: ScorerName, given: Iterable[str] = ()) -> bool:
    """Whether a network's weights are on this machine, as far as a look at file names tells."""
    return absent(name, given) is None


def absent(name: ScorerName, given: Iterable[str] = ()) -> str | None:
    """One line on weights that are not here and the command that fetches them; None where all are.

    Raises:
        InputError: the user named a file that does not exist.
    """
    if name.kind == "scenes":
        return None
    if name.kind == "clip" and not name.weights:
        from evalsuite.encoders import clip_source

        return clip_source.absent(name, given)
    from evalsuite.weights import find
    from evalsuite.weights.catalogue import lookup

    entry = lookup(name.weights)
    return None if find.locate(entry, given) else find.missing(entry)
