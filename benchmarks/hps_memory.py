"""HPS of pictures that are in memory as bytes, by precision: images a second, and what each does to the cosine."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import open_clip
import results
import torch
import torch.nn.functional as F
from hps_peer import PROMPT
from pairing import Timing, gemm_peak, median, paired
from results import Comparison
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders import hps
from evalsuite.encoders.assign import build, read_config
from evalsuite.encoders.hps import HPSEncoder
from evalsuite.encoders.precision import DTYPE, DTYPES, TF32, exact

HALF = "fp16"
PRECISIONS = (DTYPE, TF32, "bf16", HALF)
RATE_GOAL = 1000.0  # images a second of LARGE in HALF
LARGE = "ViT-H-14"
MEASURE = "raw cosine"
FEWER = 8
"""Times fewer images for fp32, which takes so much longer."""
Encoders = Mapping[str, HPSEncoder]


class Found(NamedTuple):
    """Of one part of this benchmark."""

    rows: list[results.Row]
    figures: list[results.Row]
    timings: list[Timing]


def by_precision(weights: Path, architecture: str, device: str) -> Encoders:
    """Our scorer in every precision, over one file of weights."""
    hps.ARCHITECTURE = architecture
    network = build(architecture, weights, device=device)
    networks = {name: network if DTYPES[name] == torch.float32 else deepcopy(network) for name in PRECISIONS}
    return {
        name: HPSEncoder(lambda own=own: own, "random:0", "v2.1", device=device, precision=name)  # type: ignore[misc]
        for name, own in networks.items()
    }


def arm_of(precision: str) -> str:
    """What a row calls ours."""
    return f"evalsuite {precision}"


def pictures(count: int, side: int, device: str) -> Tensor:
    """Blurred noise as decoders leave it: uint8 (count, 3, side, side) whose colours lie side by side, on the CPU."""
    generator = torch.Generator(device).manual_seed(0)
    made = []
    for start in range(0, count, 64):
        coarse = torch.rand(min(64, count - start), 3, side // 8, side // 8, generator=generator, device=device)
        x = F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
        made.append((x * 255).byte().permute(0, 2, 3, 1).contiguous().cpu())
    return torch.cat(made).permute(0, 3, 1, 2)


def from_memory(encoders: Encoders, architecture: str, args: argparse.Namespace) -> Found:
    """Cosines in every precision beside those in fp32, then times.

    Each picture goes from bytes on the host to a feature on the host: the copy, the letterbox and the network. The
    prompt has been read before.
    """
    whole = pictures(args.memory, args.side, args.device)
    few = whole[: max(1, len(whole) // FEWER)]
    texts = {name: encoder.texts([PROMPT])[0] for name, encoder in encoders.items()}
    cosines = {name: encoder.images(few) @ texts[name] for name, encoder in encoders.items()}
    off = {arm_of(name): float(np.abs(found - cosines[DTYPE]).max()) for name, found in cosines.items()}
    limits = {name: _limit(architecture, name, args) for name in encoders}
    arms: dict[str, Callable[[], object]] = {
        arm_of(name): partial(encoder.images, few if name == DTYPE else whole) for name, encoder in encoders.items()
    }
    timings = paired(arms, args.rounds, warm=0)  # the cosines above were the warm-up
    rows: list[results.Row] = []
    figures: list[results.Row] = []
    for images, names in ((few, (DTYPE,)), (whole, tuple(name for name in encoders if name != DTYPE))):
        own = tuple(map(arm_of, names))
        case = f"{architecture}, {len(images)} images of {args.side} px in memory"
        about = Comparison("hps", case, own[-1], "image", len(images), MEASURE, clock=args.clock, variants=own)
        found = results.rows(about, timings, {arm: off[arm] for arm in own})
        rows += [row | {"share": limits[name].share(row)} for name, row in zip(names, found, strict=True)]
        figures += [_rate(case, name, architecture, len(images), timings, args) for name in names]
    return Found(rows, figures, [replace(timing, arm=f"in memory: {timing.arm}") for timing in timings])


def image_flops(architecture: str) -> float:
    """FLOPs of one image in the network, by PyTorch's count on tensors without memory."""
    side = read_config(architecture)["vision_cfg"]["image_size"]
    quick = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its one operation is not counted
    try:
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            open_clip.CLIP(**read_config(architecture)).eval().encode_image(torch.empty(1, 3, side, side))
    finally:
        torch.backends.mha.set_fastpath_enabled(quick)
    return float(counter.get_total_flops())


def _limit(architecture: str, precision: str, args: argparse.Namespace) -> results.Limit:
    with exact(torch.device(args.device), precision):
        peak = gemm_peak(DTYPES[precision], args.threads, args.peak_seconds, device=args.device)
    return results.Limit(image_flops(architecture), peak, args.threads)


def _rate(
    case: str, precision: str, architecture: str, count: int, timings: Sequence[Timing], args: argparse.Namespace
) -> results.Row:
    rate = count / median(timings, arm_of(precision), args.clock)
    goal = RATE_GOAL if (architecture, precision) == (LARGE, HALF) else None
    return results.figure("hps", f"{case}: {arm_of(precision)}", rate, "images/s", args.clock, least=goal)
