"""Which pictures are asked about, and how they are sampled."""

from __future__ import annotations

from dataclasses import dataclass

from evalsuite.cost.size import Size
from evalsuite.cost.subject import Subject
from evalsuite.distilled import asked, check_guidance
from evalsuite.errors import InputError
from evalsuite.models import TORCH_DTYPES
from evalsuite.spec import SAMPLERS, WHOLE

TWO = ("heun", "midpoint")  # predictions a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked.

    Attributes:
        sizes: of pictures.
        batch: pictures at once.
        dtype: ``fp32``, ``bf16`` or ``fp16``, of weights and activations; VAEs stay in fp32.
        steps: of the sampler.
        guidance: scale; 1 is none.
        sampler: ``auto`` or a name.

    Raises:
        InputError: a value out of range.
    """

    sizes: tuple[Size, ...]
    batch: int = 1
    dtype: str = "fp32"
    steps: int = 20
    guidance: float = 4.0
    sampler: str = "auto"

    def __post_init__(self) -> None:
        for name, value, (least, most) in (
            ("--batch-size", self.batch, WHOLE["batch_size"]),
            ("--steps", self.steps, WHOLE["steps"]),
            ("--guidance", self.guidance, (0, 100)),
        ):
            if not least <= value <= most:
                raise InputError(f"{name} {value}: must be from {least} to {most}")
        if self.dtype not in TORCH_DTYPES:
            raise InputError(f"--dtype {self.dtype!r}: use {', '.join(TORCH_DTYPES)}")

    def rows(self, subject: Subject) -> int:
        """Rows of a pass of the denoiser: both predictions of guidance go together."""
        return self.batch * self.asked(subject)

    def asked(self, subject: Subject) -> int:
        """Rows of a prediction of one picture."""
        return asked(self.guidance, subject.guided) if subject.two_pass else 1

    def check(self, subject: Subject) -> None:
        """Refuse what a subject cannot do.

        Raises:
            InputError: it has no such sampler, or its predictions carry guidance of another scale.
        """
        self.predictions(subject)
        check_guidance(subject.name, subject.guided, self.guidance)

    def predictions(self, subject: Subject) -> int:
        """Predictions of one picture.

        Raises:
            InputError: the subject has no such sampler.
        """
        if self.sampler not in (*SAMPLERS, *subject.samplers, "auto"):
            known = tuple(dict.fromkeys(("auto", *SAMPLERS, *subject.samplers)))
            raise InputError(f"--sampler {self.sampler!r}: {subject.name!r} has {', '.join(known)}")
        if self.sampler == "heun" and "heun" in subject.samplers:
            return 2 * self.steps - 1  # its last step is Euler's
        return self.steps * (2 if self.sampler in TWO else 1)
