"""A network with a parametrisation of its own, made into a `TextToImage` with its own samplers.

What a loader writes:

    class Mine(NativeModel):
        stride = 8
        def __init__(self, ...):
            self.name, self.fingerprint = ..., ...
            self.native = Native(prediction="eps", schedule=NoiseSchedule.named("scaled_linear", 0.00085, 0.012))
        def predict(self, x, t, condition): ...       # the network's raw output
        latent_shape, encode, decode, unknown_words, to: as in `TextToImage`

and `velocity`, `samplers` and `path` follow.

Velocities of the rectified flow are read off predictions by `backbones.schedule.flow_velocity`. That multiplies an
eps-predicting network's errors by 1 / (1 - t) and an x0-predicting one's by 1 / t, without bound where nothing of the
data, or of the noise, is left. So outside TRUSTED no velocity is said to be known: a path's step has no field there,
and `velocity` answers with the prediction at the nearest trusted time.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from backbones import solvers, spacing
from backbones.guidance import Guide, Guided, guide
from backbones.native_field import velocities
from backbones.noise import DynamicShift, FlowSchedule, NoiseSchedule
from backbones.protocol import Condition, PathSettings
from backbones.sampler import Field, Step, Velocity
from backbones.schedule import Prediction, flow_velocity
from backbones.spacing import Level, Spacing

__all__ = ["DynamicShift", "FlowSchedule", "Guide", "Guided", "Native", "NativeModel", "NoiseSchedule", "guide"]

TRUSTED = (0.02, 0.98)  # times between which conversion multiplies errors by 50 at most
OF_NOISE = ("ddim", "dpm++2m", "euler", "heun")
OF_FLOW = ("euler", "dpm++2m")


@dataclass(frozen=True, kw_only=True)
class Native:
    """How to read a network's output, and how its samplers space their steps. Taken from configs, never guessed.

    Attributes:
        prediction: of a NoiseSchedule "eps" (e), "x0" or "v" (alpha e - sigma x0); of a FlowSchedule "flow" (e - x0)
            or "x0".
        schedule: variance preserving, or the rectified flow.
        sampler: the one that `--sampler auto` means; None means ddim, of a flow euler.
        learned_variance: the network gives 2 C channels, of which the second half is dropped (learn_sigma).
        guided_channels: guidance acts on the first so many channels, the others stay conditional; None means on all.
            3 is what facebookresearch/DiT does.
        spacing: "leading", "trailing" or "linspace"; None means what diffusers' scheduler of the sampler's name does by
            default: leading for ddim, linspace for the others. Flows have spacings of their own.
        steps_offset: added to "leading" timesteps.
        final_alpha_one: ddim ends at alpha = 1 (set_alpha_to_one); else at the first training step's.
        clip: ddim and heun clamp x0 to [-clip, clip] (clip_sample, clip_sample_range); None means never.
        noise_from_clipped: ddim derives the noise again from the clamped x0, as guided-diffusion does.
    """

    prediction: Prediction
    schedule: NoiseSchedule | FlowSchedule
    sampler: str | None = None
    learned_variance: bool = False
    guided_channels: int | None = None
    spacing: Spacing | None = None
    steps_offset: int = 0
    final_alpha_one: bool = True
    clip: float | None = None
    noise_from_clipped: bool = False

    def __post_init__(self) -> None:
        kind, flows = type(self.schedule).__name__, isinstance(self.schedule, FlowSchedule)
        if self.prediction not in (("x0", "flow") if flows else ("eps", "x0", "v")):
            raise ValueError(f"prediction {self.prediction!r} is not one of a {kind}")
        known = OF_FLOW if flows else OF_NOISE
        if self.sampler not in (None, *known):
            raise ValueError(f"sampler {self.sampler!r} is not one of {', '.join(known)}, those of a {kind}")

    @property
    def samplers(self) -> tuple[str, ...]:
        """Those there are for the schedule, the default first."""
        known = OF_FLOW if isinstance(self.schedule, FlowSchedule) else OF_NOISE
        return tuple(sorted(known, key=lambda name: name != self.sampler))

    @property
    def times(self) -> tuple[float, float]:
        """The first and the last time of the flow at which the network tells the velocity."""
        first, last = self.schedule.times()
        if self.prediction == "x0":
            first = max(first, TRUSTED[0])
        if self.prediction == "eps":
            last = min(last, TRUSTED[1])
        return first, last

    def field(self, seen: Guided, x: Tensor, level: Level) -> Field | None:
        """Rectified-flow velocities of raw outputs at x = a x0 + b e, or None outside the trusted times."""
        least = TRUSTED[0] if self.prediction == "x0" else 0.0
        most = TRUSTED[1] if self.prediction == "eps" else 1.0
        if not least <= level.t <= most:
            return None
        guided = flow_velocity(self.prediction, seen.output, x, level.a, level.b)
        if seen.output is seen.conditional:
            return Field(guided, guided)
        return Field(guided, flow_velocity(self.prediction, seen.conditional, x, level.a, level.b))

    def facts(self) -> dict[str, object]:
        """What of this a fingerprint must contain, as plain JSON data."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "schedule"}
        return own | {"schedule": [type(self.schedule).__name__, self.schedule.facts()]}


class NativeModel(ABC):
    """Base of models that do not predict rectified-flow velocities themselves; implements `OwnPath`."""

    name: str
    stride: int
    fingerprint: str
    native: Native

    @abstractmethod
    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return the network's raw output (B, C, h, w), or (B, 2 C, h, w) with learned variance, in the dtype of x.

        Args:
            x: (B, C, h, w), fp32: a x0 + b e with the schedule's own a and b, whatever the sampler.
            t: (B,), fp32, native timesteps: of a NoiseSchedule 0 to T - 1, fractional where a sampler or `velocity`
                asks between two (round here where the network knows whole ones only); of a FlowSchedule the time of
                the flow times T, 0 to 1000.
            condition: of B prompts.
        """

    @abstractmethod
    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """See `TextToImage`."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Condition:
        """See `TextToImage`."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """See `TextToImage`."""

    @abstractmethod
    def unknown_words(self, text: str) -> tuple[str, ...]:
        """See `TextToImage`."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """See `TextToImage`."""

    def guide(self, condition: Condition, null: Condition, guidance: float) -> Guide:
        """Prepare guidance of the raw output. Networks that take the scale as an input (Flux) override this."""
        return guide(self.raw, condition, null, guidance, self.native.guided_channels)

    def raw(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The prediction (B, C, h, w), without a learned variance."""
        output = self.predict(x, t, condition)
        return output.chunk(2, dim=1)[0] if self.native.learned_variance else output

    @torch.no_grad()
    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict e - x0 (B, C, h, w) at x of the rectified flow, t (B,) in [0, 1]; in the dtype of x.

        Times outside `native.times` are answered as the nearest of these; see `native_field.velocities`.
        """
        return velocities(self.native, guide(self.raw, condition, condition, 1.0), x, t).velocity

    def flow_field(self, condition: Condition, null: Condition, guidance: float) -> Velocity:
        """The field of our own samplers, guided as the network's own are: by `guide`, before it is read as velocities.

        Args:
            condition: of B prompts.
            null: of the null prompt, with a batch of B or of 1; unused where guidance is 1.
            guidance: 1 means none.
        """
        ask = self.guide(condition, null, guidance)
        return lambda x, t: velocities(self.native, ask, x, x.new_full((len(x),), t))

    @property
    def samplers(self) -> tuple[str, ...]:
        """ddim, dpm++2m, euler and heun; of a flow euler and dpm++2m; the default first."""
        return self.native.samplers

    @property
    def shift(self) -> float | None:
        """The time shift of a flow, that of its largest image where it is dynamic; None of a NoiseSchedule."""
        schedule = self.native.schedule
        if not isinstance(schedule, FlowSchedule):
            return None
        return schedule.shift if schedule.dynamic is None else math.exp(schedule.dynamic.most)

    def path(self, noise: Tensor, condition: Condition, null: Condition, settings: PathSettings) -> Iterator[Step]:
        """Walk the network's own scheme; see `OwnPath`."""
        if settings.sampler not in self.samplers:
            raise ValueError(f"sampler {settings.sampler!r} is not one of {', '.join(self.samplers)}")
        ask = self.guide(condition, null, settings.guidance)

        def see(x: Tensor, level: Level) -> solvers.Seen:
            guided = ask(x, x.new_full((len(x),), level.timestep))
            return solvers.Seen(guided.output, self.native.field(guided, x, level))

        return walk(see, noise, self.native, settings)


def walk(see: solvers.See, noise: Tensor, native: Native, settings: PathSettings) -> Iterator[Step]:
    """Run a solver of `settings` over the levels that `native` spaces.

    An eps prediction says nothing where a = 0: ddim starts below such a level, with the same noise.

    Raises:
        ValueError: steps, spacing or offset that the schedule cannot serve.
    """
    schedule, name, steps = native.schedule, settings.sampler, settings.steps
    if isinstance(schedule, FlowSchedule):
        h, w = noise.shape[-2:]
        shift = schedule.shift_of(h, w, settings.shift)
        if name == "euler":
            return solvers.flow_euler(see, noise, spacing.flow_levels(schedule, steps, shift), native.prediction)
        return solvers.dpm_plus_2m(see, noise, spacing.dpm_flow_levels(schedule, steps, shift), native.prediction)
    spaced = native.spacing or ("leading" if name == "ddim" else "linspace")
    if name == "ddim":
        legs = spacing.ddim_legs(schedule, steps, spaced, native.steps_offset, native.final_alpha_one)
        legs = [leg for leg in legs if native.prediction != "eps" or leg[0].a > 0]
        return solvers.ddim(see, noise, legs, native.prediction, native.clip, native.noise_from_clipped)
    if name == "dpm++2m":
        levels = spacing.dpm_levels(schedule, steps, spaced, native.steps_offset)
        return solvers.dpm_plus_2m(see, noise, levels, native.prediction)
    levels = spacing.ratio_levels(schedule, steps, spaced, native.steps_offset)
    top = levels[0].ratio
    start = noise * ((top**2 + 1) ** 0.5 if spaced == "leading" else top)
    if name == "euler":
        return solvers.euler(see, start, levels, native.prediction)
    return solvers.heun(see, start, levels, native.prediction, native.clip)
