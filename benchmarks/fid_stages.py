"""What each stage of FID features takes by itself, and how near the network comes to the device's matrix products."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import results
import torch
from fid_peers import Files
from pairing import Clock, finish, gemm_peak, median, paired
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.precision import DTYPE, DTYPES, TF32, batch_of, exact
from evalsuite.encoders.resize import RULES
from evalsuite.images import read_rgb

PLAIN, FOLDED = "network, plain", "network, folded"
LAYOUTS = {"": torch.channels_last, ", rows first": torch.contiguous_format}
SHARE_GOAL = 0.9  # on a CPU
Call = Callable[[], object]


def split(state: Mapping[str, Tensor], files: Files, args: argparse.Namespace) -> list[results.Row]:
    """Seconds per image by stage, and the network's share of the limit.

    Args:
        state: weights.
        files: at least as many as a pass has images.
        args: of the command.
    """
    benchmark, device = args.benchmark, torch.device(args.device)
    clock: Clock = "cpu_s" if device.type == "cpu" else "wall_s"
    first = [Path(file) for file in files[: batch_of(device)]]
    images = torch.from_numpy(np.stack([read_rgb(file) for file in first])).permute(0, 3, 1, 2).to(device)
    networks, flops = _networks(state, images, device)
    arms: dict[str, Call] = {"decode": lambda: [read_rgb(file) for file in first]}
    arms |= {f"resize {name}": partial(rule.function, images) for name, rule in RULES.items()}
    arms |= {name: call for name, (_, call) in networks.items()}
    precisions = sorted({precision for precision, _ in networks.values()})
    peaks = {precision: _peak(precision, args) for precision in precisions}
    with torch.inference_mode():
        timings = paired({name: _waited(arm, device) for name, arm in arms.items()}, args.stage_rounds)
    peaks = {precision: max(peak, _peak(precision, args)) for precision, peak in peaks.items()}
    figures = [
        results.figure(benchmark, f"stage {arm}", median(timings, arm, clock) / len(images), "s per image", clock)
        for arm in arms
    ]
    threads = args.threads if clock == "cpu_s" else 1
    for name, (precision, _) in networks.items():
        if not name.startswith(FOLDED):
            continue
        share = flops * threads / median(timings, name, clock) / 1e9 / peaks[precision]
        least = SHARE_GOAL if clock == "cpu_s" else None
        told = "network" if name == FOLDED else name
        figures.append(
            results.figure(
                benchmark, f"{told} alone, of the matrix products' limit", share, "share", clock, least=least
            )
        )
    results.show_figures(figures)
    return figures


def _networks(
    state: Mapping[str, Tensor], images: Tensor, device: torch.device
) -> tuple[dict[str, tuple[str, Call]], int]:
    """The network in its forms, each with its precision, on the images of one pass; and the FLOPs of such a pass."""
    plain, folded = (InceptionEncoder(state, "random:0", "tf1", device, form) for form in (False, True))
    with torch.inference_mode():
        x = RULES["tf1"].function(images)
    found: dict[str, tuple[str, Call]] = {PLAIN: (DTYPE, _pass(plain, x, DTYPE, torch.contiguous_format))}
    gpu = device.type == "cuda"
    for precision in (DTYPE, TF32) if gpu else (DTYPE,):
        for words, layout in LAYOUTS.items():
            if gpu or layout is torch.channels_last:
                name = f"{FOLDED}{words}{'' if precision == DTYPE else f', {precision}'}"
                found[name] = (precision, _pass(folded, x, precision, layout))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        plain.network(x)
    return found, counter.get_total_flops()


def _pass(encoder: InceptionEncoder, x: Tensor, precision: str, layout: torch.memory_format) -> Call:
    ready = x.contiguous(memory_format=layout)

    def call() -> Tensor:
        with exact(x.device, precision):
            found: Tensor = encoder.network(ready)
        return found

    return call


def _waited(arm: Call, device: torch.device) -> Call:
    def call() -> None:
        arm()
        finish(device)

    return call


def _peak(precision: str, args: argparse.Namespace) -> float:
    with exact(torch.device(args.device), precision):
        return gemm_peak(DTYPES[precision], args.threads, args.gemm_seconds, device=args.device)
