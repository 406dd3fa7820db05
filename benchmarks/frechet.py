"""Frechet distance against scipy's matrix root, torch-fidelity and torchmetrics: same moments, same answer, then time.

    python benchmarks/frechet.py --rounds 3 --json frechet.json

Features are Gaussian with a spectrum that falls like that of real ones. Every arm starts from the reference's mean and
covariance. The peers are also given those of the images for nothing; with few images ours starts from the features.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import results
from pairing import Timing, environment, gemm_peak, paired

if TYPE_CHECKING:
    import numpy as np

    from evalsuite.moments import Moments

BENCHMARK = "frechet"
SEEN = "ours, reference seen before"
PEERS = {"scipy sqrtm": "scipy", "torch-fidelity": "torch_fidelity", "torchmetrics": "torchmetrics"}
GOALS = {"full rank": {"scipy sqrtm": 8.0, "torch-fidelity": 2.0, "torchmetrics": 2.0}}
FEW = {"torch-fidelity": 100.0, "torchmetrics": 100.0}


class Case(NamedTuple):
    """One size: what is called, by arm, and how far the peers' answers may be from ours, relative to it."""

    name: str
    arms: Mapping[str, Callable[[], float]]
    tolerance: float


def draw(n: int, d: int, shift: float, seed: int, turn: np.ndarray) -> np.ndarray:
    """Features (n, d) with variances 1 / k in turned directions."""
    import numpy as np

    rows = np.random.default_rng(seed).standard_normal((n, d)) / np.sqrt(np.arange(1, d + 1))
    found: np.ndarray = rows @ turn + shift
    return found


def peers(a: Moments, b: Moments) -> dict[str, Callable[[], float]]:
    """The distance as others compute it from the same moments; of the packages that are here."""
    makers = {"scipy sqrtm": _scipy, "torch-fidelity": _torch_fidelity, "torchmetrics": _torchmetrics}
    return {name: makers[name](a, b) for name, module in PEERS.items() if results.installed(module)}


def _scipy(a: Moments, b: Moments) -> Callable[[], float]:
    """As pytorch-fid and clean-fid do."""
    from scipy.linalg import sqrtm  # type: ignore[import-untyped]

    def distance() -> float:
        shift, root = a.mean - b.mean, sqrtm(a.covariance @ b.covariance)
        return float(shift @ shift + a.covariance.trace() + b.covariance.trace() - 2 * root.trace().real)

    return distance


def _torch_fidelity(a: Moments, b: Moments) -> Callable[[], float]:
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    statistics = [{"mu": m.mean, "sigma": m.covariance} for m in (a, b)]
    return lambda: float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def _torchmetrics(a: Moments, b: Moments) -> Callable[[], float]:
    import torch
    from torchmetrics.image.fid import _compute_fid

    tensors = [torch.from_numpy(x) for x in (a.mean, a.covariance, b.mean, b.covariance)]
    return lambda: float(_compute_fid(*tensors))


def cases(d: int, full: int, few: list[int]) -> list[Case]:
    """Full rank, then fewer images than dimensions."""
    import numpy as np

    from evalsuite.metrics.frechet import frechet_distance, frechet_distance_of
    from evalsuite.moments import Moments, moments

    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    reference, images = moments(draw(3 * d, d, 0.01, 1, turn)), draw(full, d, 0.0, 2, turn)
    whole = moments(images)

    def anew() -> Moments:
        """Without the factor that the reference keeps."""
        return Moments(reference.mean, reference.covariance, reference.n)

    ours = {
        "ours": lambda: frechet_distance(whole, anew()),
        SEEN: lambda: frechet_distance(whole, reference),
    }
    found = [Case("full rank", ours | peers(whole, reference), 1e-9)]
    for n in few:
        some = images[:n]
        arms = {"ours": lambda some=some: frechet_distance_of(some, anew())} | peers(moments(some), reference)
        found.append(Case(f"n={n}", arms, 1e-5))
    return found


def measure(case: Case, rounds: int) -> tuple[list[results.Row], list[Timing]]:
    """Answers, and for the arms that gave the same one, times and ratios."""
    about = results.Comparison(
        BENCHMARK, case.name, "ours", measure="relative", tolerance=case.tolerance, variants=(SEEN,)
    )
    answers = {name: arm() for name, arm in case.arms.items()}
    off = {name: abs(answer / answers["ours"] - 1) for name, answer in answers.items()}
    same = {name: arm for name, arm in case.arms.items() if about.same(off[name])}
    timings = paired(same, rounds, warm=0)  # the answers above were the warm-up
    found = results.rows(about, timings, off, GOALS.get(case.name, FEW))
    found += [results.not_run(about, name, module) for name, module in PEERS.items() if not results.installed(module)]
    return found, [replace(timing, arm=f"{case.name}: {timing.arm}") for timing in timings]


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--full", type=int, default=4000, help="images of the full-rank case")
    parser.add_argument("--few", type=int, nargs="*", default=[72, 500], help="images of the other cases")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak-seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy is imported
    import torch

    torch.set_num_threads(args.threads)
    facts = environment(("torch", "numpy", "scipy", "torch-fidelity", "torchmetrics")) | {"threads": args.threads}
    peak = gemm_peak(torch.float64, args.threads, args.peak_seconds)
    rows: list[results.Row] = []
    timings: list[Timing] = []
    for case in cases(args.dimensions, args.full, args.few):
        found, times = measure(case, args.rounds)
        results.show(found)
        rows, timings = rows + found, timings + times
    # Cholesky d^3 / 3, two triangular products 4 d^3 / 3, eigenvalues 4 d^3 / 3.
    rows[0]["share"] = results.Limit(3 * args.dimensions**3, peak, args.threads).share(rows[0])
    print(f"full rank runs at {rows[0]['share']:.0%} of {peak:.0f} GFLOP/s in fp64")
    results.write(args.json, BENCHMARK, facts, vars(args), rows, timings=timings)


if __name__ == "__main__":
    main()
