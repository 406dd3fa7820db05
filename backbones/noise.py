"""Noise schedules of trained networks: which (a, b) of x = a x0 + b e belongs to which native timestep.

`NoiseSchedule` is variance preserving, a table of T training steps; `FlowSchedule` is the rectified flow.
Both are read at times t of the rectified flow, t = b / (a + b): the one axis on which all models are compared.

Letters: T training steps, K sampling steps, B batch, h x w latent sides.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

LARGEST_BETA = 0.999
LEAST_ALPHA_CUMPROD = 2.0**-24  # in place of 0 where a sampler divides by alpha
Betas = Literal["linear", "scaled_linear", "squaredcos_cap_v2"]


class Point(NamedTuple):
    """What a network sees at a time of the flow; three tensors (B,)."""

    timestep: Tensor  # native
    a: Tensor
    b: Tensor


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """x = sqrt(abar) x0 + sqrt(1 - abar) e, with abar of every training step.

    Attributes:
        alphas_cumprod: abar (T,), fp32, falling from nearly 1; 0 at the end where the schedule has zero terminal
            signal-to-noise ratio.
    """

    alphas_cumprod: Tensor

    @classmethod
    def from_betas(cls, betas: Tensor | Sequence[float], zero_terminal_snr: bool = False) -> Self:
        """Build the table from the variance that each step adds.

        Args:
            betas: (T,), in (0, 1].
            zero_terminal_snr: shift and scale sqrt(abar) so that the last is 0 (arXiv:2305.08891, algorithm 1).

        Raises:
            ValueError: fewer than two, or one outside (0, 1].
        """
        betas = torch.as_tensor(betas, dtype=torch.float32).flatten()
        if len(betas) < 2 or not bool(((betas > 0) & (betas <= 1)).all()):
            raise ValueError(f"{len(betas)} betas: at least two are needed, each in (0, 1]")
        table = torch.cumprod(1 - betas, 0)
        if zero_terminal_snr:
            roots = table.sqrt()
            roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
            table = roots.square()
            # Through single steps again, as diffusers does, so that both tables have the same rounding.
            steps = 1 - torch.cat([table[:1], table[1:] / table[:-1]])
            table = torch.cumprod(1 - steps, 0)
        return cls(table)

    @classmethod
    def named(
        cls,
        name: Betas = "linear",
        start: float = 1e-4,
        end: float = 2e-2,
        steps: int = 1000,
        zero_terminal_snr: bool = False,
    ) -> Self:
        """Build a schedule by the name that diffusers' scheduler configs give it.

        Args:
            name: "linear" (betas evenly spaced, arXiv:2006.11239), "scaled_linear" (their roots evenly spaced: Stable
                Diffusion, 0.00085 to 0.012) or "squaredcos_cap_v2" (cosine, arXiv:2102.09672; takes no start and end).
            start: first beta.
            end: last beta.
            steps: T.
            zero_terminal_snr: see `from_betas`.

        Raises:
            ValueError: another name.
        """
        if name == "linear":
            betas = torch.linspace(start, end, steps, dtype=torch.float32)
        elif name == "scaled_linear":
            betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float32) ** 2
        elif name == "squaredcos_cap_v2":
            betas = _cosine_betas(steps)
        else:
            raise ValueError(f"beta schedule {name!r} is not one of linear, scaled_linear, squaredcos_cap_v2")
        return cls.from_betas(betas, zero_terminal_snr)

    @property
    def steps(self) -> int:
        """T."""
        return len(self.alphas_cumprod)

    def ratios(self) -> Tensor:
        """Noise over data, sqrt((1 - abar) / abar) (T,), fp32 and finite: the sigma of arXiv:2206.00364."""
        table = self.alphas_cumprod.where(self.alphas_cumprod > 0, torch.tensor(LEAST_ALPHA_CUMPROD))
        return ((1 - table) / table) ** 0.5

    def times(self) -> tuple[float, float]:
        """The first and the last time of the flow that the table reaches."""
        ends = self.ratios()[[0, -1]].double()
        first, last = (ends / (1 + ends)).tolist()
        return first, last

    def scaled(self, x: Tensor, t: Tensor) -> Tensor:
        """A sample of the flow at t, in the scale that the network was trained on: unit total variance."""
        return x / torch.hypot(1 - t, t)

    def point(self, t: Tensor) -> Point:
        """The fractional timestep (linear in log noise over data) and the coefficients at times t (B,) of the table."""
        table = self.ratios().log().to(t.device)
        level = (t.float().log() - (1 - t.float()).log()).clamp(table[0], table[-1])
        high = torch.searchsorted(table, level).clamp(1, self.steps - 1)
        low = high - 1
        timestep = low + (level - table[low]) / (table[high] - table[low])
        norm = torch.hypot(1 - t, t)
        return Point(timestep, (1 - t) / norm, t / norm)

    def facts(self) -> dict[str, object]:
        """What of the schedule a fingerprint must contain."""
        return {"alphas_cumprod": hashlib.sha256(self.alphas_cumprod.numpy().tobytes()).hexdigest()}


@dataclass(frozen=True)
class DynamicShift:
    """A time shift that grows with the number of tokens: its logarithm is linear in it (arXiv:2403.03206, Flux).

    Attributes:
        base: log shift at `base_tokens`.
        most: log shift at `most_tokens`.
        base_tokens: of a small image.
        most_tokens: of a large image.
        patch: latent pixels per side of a token.
    """

    base: float = 0.5
    most: float = 1.15
    base_tokens: int = 256
    most_tokens: int = 4096
    patch: int = 2

    def of(self, h: int, w: int) -> float:
        """The shift for latents of h x w."""
        tokens = (h // self.patch) * (w // self.patch)
        slope = (self.most - self.base) / (self.most_tokens - self.base_tokens)
        return math.exp(self.base + slope * (tokens - self.base_tokens))


@dataclass(frozen=True)
class FlowSchedule:
    """x = (1 - t) x0 + t e; the native timestep is t times T.

    Attributes:
        shift: time shift a of t' = a t / (1 + (a - 1) t).
        steps: T.
        even: sampling times run from 1 to 1/K before the shift, as Flux's pipeline has them; else from the largest to
            the smallest shifted time of training, and are shifted again, as diffusers' FlowMatchEulerDiscreteScheduler
            does by itself (SD3).
        dynamic: in place of `shift`.
    """

    shift: float = 1.0
    steps: int = 1000
    even: bool = False
    dynamic: DynamicShift | None = None

    def times(self) -> tuple[float, float]:
        """The first and the last time that a network of the flow can be asked for."""
        return 0.0, 1.0

    def scaled(self, x: Tensor, t: Tensor) -> Tensor:
        """The sample itself: the network was trained on the flow."""
        return x

    def point(self, t: Tensor) -> Point:
        """The timestep and the coefficients at times t (B,)."""
        return Point(t * self.steps, 1 - t, t)

    def shift_of(self, h: int, w: int, given: float | None = None) -> float:
        """The shift for latents of h x w; `given` wins over the model's own."""
        if given is not None:
            return given
        return self.shift if self.dynamic is None else self.dynamic.of(h, w)

    def sampling_times(self, steps: int, shift: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """K times to start a step of Euler's method from; the last step ends at 0."""
        last = 1 / steps if self.even else float(np.float32(_shifted(1 / self.steps, self._trained_shift(shift))))
        times = np.linspace(1.0, last, steps)
        return np.asarray(shift * times / (1 + (shift - 1) * times))

    def _trained_shift(self, shift: float) -> float:
        return 1.0 if self.dynamic is not None else shift

    def facts(self) -> dict[str, object]:
        """What of the schedule a fingerprint must contain."""
        return asdict(self)


def _shifted(t: float, shift: float) -> float:
    return shift * t / (1 + (shift - 1) * t)


def _cosine_betas(steps: int) -> Tensor:
    """abar(u) = cos^2((u + 0.008) / 1.008 pi / 2) (arXiv:2102.09672, equation 17); no beta above 0.999."""

    def remaining(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    lost = [1 - remaining((i + 1) / steps) / remaining(i / steps) for i in range(steps)]
    return torch.tensor([min(beta, LARGEST_BETA) for beta in lost], dtype=torch.float32)
