"""What is counted: the networks that make a picture, each with a way to call it for any size, on any device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evalsuite.cost.size import Size

META = torch.device("meta")
Pass = Callable[[], object]
"""A pass with its inputs, to be called."""


@dataclass(frozen=True, slots=True)
class Feed:
    """From what inputs are made.

    Attributes:
        rows: of the batch.
        width: of the picture, pixels.
        height: of the picture, pixels.
        device: of the inputs.
        dtype: of the floating-point ones, unless a network wants another.
    """

    rows: int
    width: int
    height: int
    device: torch.device = META
    dtype: torch.dtype = torch.float32

    def noise(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """(rows, *shape), normal."""
        return torch.randn(self.rows, *shape, device=self.device, dtype=dtype or self.dtype)

    def times(self, most: float = 1.0) -> Tensor:
        """(rows,), fp32: the middle of [0, most]."""
        return torch.full((self.rows,), most / 2, device=self.device)

    def labels(self) -> Tensor:
        """(rows,), int64: class 0."""
        return torch.zeros(self.rows, dtype=torch.long, device=self.device)

    def words(self, count: int) -> Tensor:
        """(rows, count), int64: the first word of the vocabulary."""
        return torch.zeros(self.rows, count, dtype=torch.long, device=self.device)


@dataclass(frozen=True, slots=True)
class Network:
    """A network, on the meta device until it is measured.

    Attributes:
        module: all its weights.
        prepare: makes the inputs of a pass, and gives the pass itself, to be called.
        exact: it stays in fp32, whatever the others are in.
        channels_last: on a CPU its memory format is that.
    """

    module: nn.Module
    prepare: Callable[[Feed], Pass]
    exact: bool = False
    channels_last: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, ready to be counted.

    Attributes:
        name: as the user wrote it.
        denoiser: what runs at every step.
        stride: pixels that both sides must divide by.
        factor: pixels along a side of a latent; 1 for a network that works on pixels.
        text: what encodes a prompt, where that is counted.
        vae: what decodes, where that is counted.
        linear: the same denoiser with linear attention, where it can be built; else that is calculated.
        softmax: the same with softmax attention, of a denoiser that is linear by itself.
        two_pass: guidance asks it twice a prediction, unless its predictions carry it.
        guided: the scale of guidance that its predictions carry, for a guidance-distilled model; None for others.
        samplers: of its own.
        largest: pixels of the longest side that it takes; None: no limit.
        notes: for people.
    """

    name: str
    denoiser: Network
    stride: int
    factor: int
    text: Network | None = None
    vae: Network | None = None
    linear: Network | None = None
    softmax: Network | None = None
    two_pass: bool = True
    guided: float | None = None
    samplers: tuple[str, ...] = ()
    largest: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def networks(self) -> dict[str, Network]:
        """Those of a picture, by what they do."""
        named = {"denoiser": self.denoiser, "text": self.text, "vae": self.vae}
        return {name: network for name, network in named.items() if network is not None}

    def refuses(self, size: Size) -> str:
        """Why it does not take pictures of a size; empty where it does."""
        if self.largest is not None and max(size) > self.largest:
            return f"the model's position table ends at {self.largest} pixels"
        return ""
