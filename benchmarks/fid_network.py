"""Inception's pass alone in the forms it could have on a GPU: which of them the product should take.

    python benchmarks/fid_network.py --device cuda --json network.json

Random weights and random pixels. Every form's features are held against those of the plain network in fp32 first. The
cases run in order of importance until --seconds are over; the others are named. On a CPU there are fewer forms.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import results
import torch
from fid_inputs import SIZE, random_state
from pairing import Timing, environment, finish, gemm_peak, gpu_facts, paired
from results import Comparison, Limit
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.inception_v3 import Conv
from evalsuite.encoders.precision import DTYPE, DTYPES, TF32, exact
from evalsuite.encoders.resize import RULES

BENCHMARK = "fid_network"
HALF = "fp16"
TOLERANCES = {DTYPE: 1e-5, TF32: 1e-2, HALF: 1e-2}
COMPILING = 20.0
"""Seconds that compiling may take: it is not begun with less."""
WARM = 2
Call = Callable[[], Tensor]


class Form(NamedTuple):
    """How the network runs."""

    folded: bool = True
    """Batch norms are in the convolutions, and rows are channels last."""
    fused: bool = False
    """Convolution, bias and ReLU by one call of cuDNN."""
    tuned: bool = False
    """cuDNN tries its algorithms at the first pass, among those that repeat themselves."""
    recorded: bool = False
    """Replayed as a CUDA graph."""
    compiled: bool = False


FOLDED = "folded"
FORMS = {
    "plain": Form(folded=False),
    "plain, tuned": Form(folded=False, tuned=True),
    FOLDED: Form(),
    "folded, tuned": Form(tuned=True),
    "folded, graph": Form(recorded=True),
    "fused": Form(fused=True),
    "fused, tuned": Form(fused=True, tuned=True),
    "fused, tuned, graph": Form(fused=True, tuned=True, recorded=True),
}
COMPILED = {FOLDED: Form(), "folded, compiled": Form(compiled=True)}
ON_CPU = ("plain", FOLDED)


class Case(NamedTuple):
    """Forms beside one another."""

    precision: str
    batch: int
    forms: Mapping[str, Form]


class World(NamedTuple):
    """What all cases share: ``x`` is the largest pass, ``features`` are by the plain network in fp32."""

    state: Mapping[str, Tensor]
    x: Tensor  # (B, 3, 299, 299)
    features: Tensor  # (B, 2048)
    flops: float  # of an image


def cases(batches: list[int], gpu: bool) -> list[Case]:
    """In order of importance; the first batch is the most important one."""
    if not gpu:
        return [Case(DTYPE, batch, {name: FORMS[name] for name in ON_CPU}) for batch in batches] + [
            Case(DTYPE, batches[0], COMPILED)
        ]
    plain = [Case(precision, batch, FORMS) for batch in batches for precision in (TF32, HALF, DTYPE)]
    compiled = [Case(precision, batches[0], COMPILED) for precision in (TF32, HALF)]
    return plain[:3] + compiled[:1] + plain[3:] + compiled[1:]


def world(device: torch.device, batch: int) -> World:
    """Weights, pixels and what to expect of them."""
    state = random_state()
    pixels = torch.randint(0, 256, (batch, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).byte()
    x = RULES["tf1"].function(pixels.to(device))
    network = InceptionEncoder(state, "random:0", "tf1", device, folded=False).network
    with exact(device), FlopCounterMode(display=False) as counter:
        network(x[:1])
    with exact(device):
        features = torch.cat([network(part) for part in torch.split(x, 8)])
    return World(state, x, features, float(counter.get_total_flops()))


@contextmanager
def arithmetic(device: torch.device, precision: str, tuned: bool) -> Iterator[None]:
    """That of `evalsuite.encoders.precision.exact`, with cuDNN's search where it is asked for."""
    with exact(device, precision):
        before: Any = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = tuned
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = before


def built(form: Form, world: World, precision: str, batch: int) -> Call:
    """A pass in this form over the first images: (batch, 2048) float32."""
    device, dtype = world.x.device, DTYPES[precision]
    network: Any = InceptionEncoder(world.state, "random:0", "tf1", device, form.folded).network.to(dtype)
    layout = torch.channels_last if form.folded else torch.contiguous_format
    x = world.x[:batch].to(dtype).contiguous(memory_format=layout)
    if form.fused:
        for module in network.modules():
            if isinstance(module, Conv):
                module.forward = partial(_fused, module.conv)  # type: ignore[method-assign]
    if form.compiled:
        network = torch.compile(network, dynamic=False, backend="inductor" if device.type == "cuda" else "eager")

    def call() -> Tensor:
        with arithmetic(device, precision, form.tuned):
            found: Tensor = network(x)
        return found

    return _recorded(call) if form.recorded else lambda: call().float()


def _fused(conv: Any, x: Tensor) -> Tensor:
    return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, 1)


def _recorded(call: Call) -> Call:
    stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        found = call()

    def replay() -> Tensor:
        graph.replay()
        return found.float()

    return replay


def answered(case: Case, world: World) -> tuple[dict[str, Call], dict[str, float]]:
    """Forms that run here, and how far their features are from those expected; 1 where they are not finite."""
    calls, off = dict[str, Call](), dict[str, float]()
    expected = world.features[: case.batch].double()
    for name, form in case.forms.items():
        try:
            call = built(form, world, case.precision, case.batch)
            apart = float((call().double() - expected).norm() / expected.norm())
        except RuntimeError as error:  # of cuDNN, of a recording or of a compiler: the other forms go on
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"{case.precision}, batch {case.batch}, {name}: {reason}", flush=True)
            continue
        calls[name], off[name] = call, apart if math.isfinite(apart) else 1.0
    return calls, off


def measure(case: Case, world: World, args: argparse.Namespace) -> tuple[list[results.Row], list[Timing]]:
    """Differences of the forms, then their times over as many images as the largest batch has."""
    device, repeats, tolerance = world.x.device, max(1, len(world.x) // case.batch), TOLERANCES[case.precision]
    calls, off = answered(case, world)

    def passes(call: Call) -> None:
        for _ in range(repeats):
            call()
        finish(device)

    timings = paired({name: partial(passes, calls[name]) for name in calls if off[name] <= tolerance}, args.rounds)
    with exact(device, case.precision):
        peak = gemm_peak(DTYPES[case.precision], args.threads, args.gemm_seconds, device=args.device)
    about = Comparison(
        BENCHMARK,
        f"Inception, {case.precision}, batch {case.batch}",
        FOLDED,
        "image",
        repeats * case.batch,
        "relative",
        tolerance,
        "cpu_s" if device.type == "cpu" else "wall_s",
        tuple(case.forms),
    )
    return results.rows(about, timings, off, limit=Limit(world.flops, peak, args.threads)), timings


def main() -> None:
    """Print the comparison and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 256, 128], help="rows of a pass")
    parser.add_argument("--rounds", type=int, default=3, help="of all forms of a case")
    parser.add_argument("--seconds", type=float, default=40.0, help="after which no case begins")
    parser.add_argument("--gemm-seconds", type=float, default=0.3, help="for the limit of each case")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on a CPU")
    parser.add_argument("--json", type=Path, help="where to write everything")
    args = parser.parse_args()
    device, began = torch.device(args.device), time.monotonic()
    facts = environment(("torch", "numpy")) | {"threads": args.threads}
    torch.set_num_threads(args.threads)
    rows, timings = list[results.Row](), list[Timing]()
    with torch.no_grad():
        shared = world(device, max(args.batch))
        for case in cases(args.batch, device.type == "cuda"):
            left = args.seconds - (time.monotonic() - began)
            if left < (COMPILING if case.forms is COMPILED and device.type == "cuda" else 0):
                print(f"not run: {case.precision}, batch {case.batch}, {', '.join(case.forms)}", flush=True)
                continue
            found, took = measure(case, shared, args)
            results.show(found)
            rows, timings = rows + found, timings + took
            results.write(
                args.json, BENCHMARK, facts, vars(args), rows, timings=timings
            )  # who runs out of time has some
    facts |= gpu_facts() if device.type == "cuda" else {}
    results.write(args.json, BENCHMARK, facts, vars(args), rows, timings=timings)


if __name__ == "__main__":
    main()
