"""What every recipe shares: the learning-rate curve, the averaged weights, progress, and resumable checkpoints."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from backbones.compiled import allow_shapes

SECONDS = 30.0  # between checkpoints
Module = TypeVar("Module", bound=nn.Module)


def trapezoid(step: int, steps: int, warmup: int, decay: float) -> float:
    """Learning-rate factor: linear up over `warmup` steps, flat, linear to 0 over the last `decay` share of steps."""
    return min(1.0, (step + 1) / warmup, (steps - step) / (steps * decay))


def set_rates(optimisers: Sequence[Optimizer], rate: float) -> None:
    """Give every parameter group the same learning rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def seed_step(seed: int, step: int) -> None:
    """Start the noise of a step, on every device: a run that goes on then draws what it would have drawn anyway."""
    torch.manual_seed(int.from_bytes(hashlib.sha256(f"noise|{seed}|{step}".encode()).digest()[:8]))


def compile_blocks(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> None:
    """Compile every block of these kinds by itself, a kernel set per shape (dynamic shapes broke)."""
    allow_shapes()
    for module in model.modules():
        if isinstance(module, kinds):
            module.compile(dynamic=False)


def descend(loss: Tensor, optimisers: Sequence[Optimizer], parameters: Sequence[Tensor] = ()) -> None:
    """One step down the loss; the gradient's norm over `parameters` is clipped to 1."""
    loss.backward()  # type: ignore[no-untyped-call]
    if parameters:
        nn.utils.clip_grad_norm_(parameters, 1.0)
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad()


class Average(Generic[Module]):
    """Exponential moving average of a module's weights, in fp32; the decay warms up as (1 + n) / (10 + n)."""

    def __init__(self, module: Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module's present weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        source, own = module.state_dict(), self.module.state_dict()
        floats = [key for key, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[key] for key in floats], [source[key] for key in floats], 1 - decay)
        for key in own.keys() - floats:
            own[key].copy_(source[key])


class Progress:
    """A line every `every` steps: step, smoothed loss, examples a second."""

    def __init__(self, steps: int, every: int) -> None:
        self.steps, self.every = steps, every
        self.start, self.seen = time.monotonic(), 0
        self.loss: Tensor | None = None  # stays on its device: reading it would make a GPU wait every step

    def __call__(self, step: int, loss: Tensor, examples: int) -> None:
        """Count one step."""
        self.seen += examples
        self.loss = loss.detach() if self.loss is None else self.loss.lerp(loss.detach(), 0.02)
        if (step + 1) % self.every == 0 or step + 1 == self.steps:
            value, rate = float(self.loss), self.seen / (time.monotonic() - self.start)
            print(f"step {step + 1}/{self.steps}  loss {value:.4f}  {rate:.1f} examples/s", flush=True)


class Saver:
    """Checkpoints of a run of `steps` steps: one after the last step, and one every SECONDS."""

    def __init__(self, path: Path, steps: int, **parts: Any) -> None:
        self.path, self.steps, self.parts = path, steps, parts
        self.first = load_state(path, **parts)  # step to go on from
        self._last = time.monotonic()

    def __call__(self, step: int) -> None:
        """Save, if it is time."""
        if step + 1 == self.steps or time.monotonic() - self._last >= SECONDS:
            save_state(self.path, step, **self.parts)
            self._last = time.monotonic()


def save_state(path: Path, step: int, **parts: Any) -> None:
    """Write a checkpoint that a killed run goes on from: state dicts by name, replaced atomically."""
    scratch = path.with_suffix(".tmp")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, scratch)
    scratch.replace(path)


def load_state(path: Path, **parts: Any) -> int:
    """Load such a checkpoint into its parts where there is one; return the first step still to do."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"]) + 1
