"""Counts of a subject's networks on the meta device, each made once."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import torch
from torch import nn

from evalsuite.cost.attribution import Split, split
from evalsuite.cost.counter import Counter
from evalsuite.cost.fused import FusedAttention
from evalsuite.cost.memory import LiveBytes
from evalsuite.cost.size import Size
from evalsuite.cost.subject import META, Feed, Network, Subject
from evalsuite.errors import InputError
from evalsuite.loaders.diffusers_parts import line_of


class Key(NamedTuple):
    """What was counted: a network by its place in the subject, and for what."""

    network: str  # "denoiser", "text", "vae", "linear" or "softmax"
    size: Size
    rows: int


class Counts:
    """FLOP and bytes of activations of a subject.

    Args:
        subject: its networks are on the meta device.
        dtype: of activations, but for networks that stay in fp32.
    """

    def __init__(self, subject: Subject, dtype: torch.dtype) -> None:
        self.subject, self._dtype = subject, dtype
        self._splits: dict[Key, Split] = {}
        self._peaks: dict[Key, int] = {}
        for network in (*subject.networks.values(), subject.linear, subject.softmax):
            if network is not None and not network.exact:
                nn.Module.to(network.module, dtype)  # of diffusers, `to` would warn

    def split(self, network: str, size: Size) -> Split:
        """FLOP of one pass with one row.

        Raises:
            InputError: it cannot be run on the meta device.
        """
        key = Key(network, size, 1)
        if key not in self._splits:
            made: Network = getattr(self.subject, network)
            counter = Counter()
            self._run(made, key, counter)
            self._splits[key] = split(counter.events, made.module)
        return self._splits[key]

    def activations(self, network: str, size: Size, rows: int) -> int:
        """Bytes of the activations alive at once, at most, in a pass with so many rows; raises as `split` does."""
        key = Key(network, size, rows)
        if key not in self._peaks:
            made: Network = getattr(self.subject, network)
            alive = LiveBytes()
            self._run(made, key, FusedAttention(), alive)
            self._peaks[key] = alive.peak
        return self._peaks[key]

    @torch.no_grad()
    def _run(self, network: Network, key: Key, *watching: AbstractContextManager[Any]) -> None:
        try:
            with META, ExitStack() as stack:
                work = network.prepare(Feed(key.rows, *key.size, device=META, dtype=self._dtype))
                for watch in watching:
                    stack.enter_context(watch)
                work()
        except InputError:
            raise
        except Exception as error:  # whatever a model of another package does
            raise InputError(
                f"model {self.subject.name!r}: its {key.network} cannot be followed on the meta device at {key.size}:"
                f" {line_of(error)}"
            ) from error
