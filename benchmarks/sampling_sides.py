"""Both sides of a sampling benchmark, and whether they make the same images.

Letters: B batch, H x W image sides.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dit_pipelines as dits
import numpy as np
import torch

from evalsuite.models import TORCH_DTYPES

OURS, DECODED, PLAIN = "evalsuite", "evalsuite, bf16 decoding", "evalsuite, not compiled"
EAGER, TUNED, COMPILED = "diffusers", "diffusers, tuned", "diffusers, blocks compiled"
EQUAL, LEVELS = 0.999, 1
Images = Callable[[], np.ndarray]


class Apart(NamedTuple):
    """How far images are from others of the same work, in levels of 255."""

    most: int
    mean: float
    equal: float  # share of bytes

    def __str__(self) -> str:
        return f"at most {self.most} of 255 levels apart, {self.equal:.3%} of bytes equal"


def apart(found: np.ndarray, wanted: np.ndarray) -> Apart:
    """Compare bytes (B, H, W, 3)."""
    off = np.abs(found.astype(np.int16) - wanted)
    return Apart(int(off.max()), float(off.mean()), float((off == 0).mean()))


def is_same(off: Apart, rounding: float | None) -> bool:
    """Whether bytes are those of the same work.

    Args:
        off: how far they are apart.
        rounding: mean distance, in levels, of the peer's images to its own in fp32; None where these are fp32.
    """
    if rounding is None:
        return off.most <= LEVELS and off.equal >= EQUAL
    return off.mean <= 2 * rounding


class Sides(NamedTuple):
    """Both sides, opened once for all batch sizes."""

    pipe: Any  # diffusers'
    peers: dict[str, Any]  # arm to a pipeline over the same weights
    ours: dict[str, dits.Ours]  # likewise


def sides(folder: Path, size: dits.Size, args: argparse.Namespace) -> Sides:
    """Open both sides; on a GPU ours is compiled or not, and compiled decodes once more in bf16, as diffusers does."""
    pipe = dits.reopen(folder, args.device, TORCH_DTYPES[args.dtype])
    peers = {EAGER: pipe, TUNED: dits.tuned(pipe)}
    gpu = args.device != "cpu"
    if args.compile or gpu:
        peers[COMPILED] = dits.compiled(pipe)
    how = {"device": args.device, "dtype": args.dtype, "threads": args.threads, "attention": args.attention}
    plain = dits.Ours(folder, size, **how, compile="off")
    if not (args.compile or gpu):
        return Sides(pipe, peers, {OURS: plain})
    ours = {OURS: plain.variant(compile="on"), PLAIN: plain}
    if args.dtype == "bf16":
        ours[DECODED] = plain.variant(compile="on", vae_dtype="bf16")
    return Sides(pipe, peers, ours)


class Batch(NamedTuple):
    """One batch size: what runs, by arm, and what is known of it."""

    arms: dict[str, Images]
    off: dict[str, Apart]
    rounding: float | None
    compiling: dict[str, float]  # seconds of the first call of the arms that compile
    flops: int


def prepare(both: Sides, work: dits.Task, rounding: float | None = None) -> Batch:
    """Call every arm once, and compare the bytes with ours.

    Args:
        both: sides.
        work: what to make.
        rounding: see `is_same`.
    """
    arms: dict[str, Images] = {name: one.arm(work) for name, one in both.ours.items()}
    for name, pipe in both.peers.items():
        arms[name] = partial(dits.theirs, pipe, work)
    arms[TUNED] = torch.inference_mode()(arms[TUNED])
    images, first = {}, {}
    for name, arm in arms.items():
        began = time.perf_counter()
        images[name] = arm()
        first[name] = time.perf_counter() - began
    if images[EAGER].std() <= 5:
        raise SystemExit("these weights make flat images: equal bytes would say nothing")
    off = {name: apart(found, images[OURS]) for name, found in images.items()}
    compiling = {name: first[name] for name in (OURS, COMPILED) if COMPILED in arms}
    return Batch(arms, off, rounding, compiling, dits.flops(both.pipe, work))


def rounding_of(folder: Path, pipe: Any, work: dits.Task, args: argparse.Namespace) -> float | None:
    """Mean distance, in levels, of the peer's images to its own in fp32; None where these are fp32."""
    if args.dtype == "fp32":
        return None
    exact = dits.theirs(dits.reopen(folder, args.device, torch.float32), work)
    return apart(dits.theirs(pipe, work), exact).mean
