"""The networks and reference moments that a set of metrics needs, loaded once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from evalsuite.encoders import preference, scenes
from evalsuite.encoders.preference import PreferenceHead
from evalsuite.encoders.protocol import Encoder
from evalsuite.errors import InputError
from evalsuite.reference import Reference, load_reference


@dataclass(frozen=True)
class Scorer:
    """What images are scored with; None where no metric asked for it."""

    encoder: Encoder | None = None
    head: PreferenceHead | None = None
    head_sha256: str = ""
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if self.encoder and self.reference and self.encoder.fingerprint != self.reference.fingerprint:
            raise InputError(
                f"the reference moments were made by {self.reference.extractor} {self.reference.fingerprint[:12]}, the "
                f"encoder is {self.encoder.id} {self.encoder.fingerprint[:12]}: make them again with build_reference"
            )


def load_scorer(uses: Collection[str], device: str = "cpu") -> Scorer:
    """The bundled networks that these metrics need.

    Args:
        uses: of evalsuite.metrics.base.USES.
        device: of the encoder.

    Raises:
        InputError: a file is missing, altered, or the reference was made by another encoder.
    """
    head, head_sha256 = preference.load() if "preference" in uses else (None, "")
    return Scorer(
        encoder=scenes.load(device) if "encoder" in uses else None,
        head=head,
        head_sha256=head_sha256,
        reference=load_reference() if "reference" in uses else None,
    )
