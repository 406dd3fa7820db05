"""Frechet distance against scipy's matrix root, torch-fidelity and torchmetrics: same moments, same answer, then time.

    python benchmarks/frechet.py --rounds 3 --json frechet.json

Features are Gaussian with a spectrum that falls like that of real ones. Every arm starts from the reference's mean and
covariance. The peers are also given those of the images for nothing; with few images ours starts from the features.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pairing import environment, gemm_peak, median, paired, ratio

if TYPE_CHECKING:
    import numpy as np

    from evalsuite.moments import Moments

PEERS = ("scipy sqrtm", "torch-fidelity", "torchmetrics")
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
    """The distance as others compute it from the same moments."""
    import torch
    from scipy.linalg import sqrtm
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    tensors = [torch.from_numpy(x) for x in (a.mean, a.covariance, b.mean, b.covariance)]
    statistics = [{"mu": m.mean, "sigma": m.covariance} for m in (a, b)]

    def scipy_root() -> float:
        shift, root = a.mean - b.mean, sqrtm(a.covariance @ b.covariance)
        return float(shift @ shift + a.covariance.trace() + b.covariance.trace() - 2 * root.trace().real)

    def torch_fidelity() -> float:
        return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])

    return dict(zip(PEERS, (scipy_root, torch_fidelity, lambda: float(_compute_fid(*tensors))), strict=True))


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
        "ours, reference seen before": lambda: frechet_distance(whole, reference),
    }
    found = [Case("full rank", ours | peers(whole, reference), 1e-9)]
    for n in few:
        some = images[:n]
        arms = {"ours": lambda some=some: frechet_distance_of(some, anew())} | peers(moments(some), reference)
        found.append(Case(f"n={n}", arms, 1e-5))
    return found


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Answers, and for the arms that gave the same one, times and ratios."""
    answers = {name: arm() for name, arm in case.arms.items()}
    off = {name: abs(answer / answers["ours"] - 1) for name, answer in answers.items()}
    same = {name: arm for name, arm in case.arms.items() if off[name] <= case.tolerance}
    timings = paired(same, rounds, warm=0)  # the answers above were the warm-up
    goals = GOALS.get(case.name, FEW)
    lines = []
    for name in case.arms:
        line: dict[str, Any] = {"arm": name, "answer": answers[name], "relative_difference": off[name]}
        if name in same:
            line |= {"cpu_s": median(timings, name), "wall_s": median(timings, name, "wall_s")}
            line |= {"cpu_ratio": asdict(ratio(timings, name, "ours")), "goal": goals.get(name)}
        lines.append(line)
    return {"case": case.name, "tolerance": case.tolerance, "arms": lines, "timings": [asdict(t) for t in timings]}


def show(found: Mapping[str, Any]) -> None:
    """A case as lines of text."""
    print(f"{found['case']}: answers within {found['tolerance']:g} of ours")
    for line in found["arms"]:
        about = f"  {line['arm']:28} {line['answer']:.10g} ({line['relative_difference']:.1e} off)"
        if "cpu_s" not in line:
            print(f"{about}  DIFFERENT WORK, not timed")
            continue
        factor = line["cpu_ratio"]
        span = "" if factor["low"] is None else f" ({factor['low']:.3g} to {factor['high']:.3g})"
        goal = "" if line["goal"] is None else f", goal {line['goal']:g}"
        print(f"{about}  {line['cpu_s']:.4f} CPU-s, {factor['value']:.3g} x ours{span}{goal}")


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
    packages = ("torch", "numpy", "scipy", "torch-fidelity", "torchmetrics")
    report: dict[str, Any] = {"environment": environment(packages), "settings": vars(args) | {"json": None}}
    report["gemm_gflops_fp64"] = gemm_peak(torch.float64, args.threads, args.peak_seconds)
    report["cases"] = []
    for case in cases(args.dimensions, args.full, args.few):
        report["cases"].append(measure(case, args.rounds))
        show(report["cases"][-1])
    # Cholesky d^3 / 3, two triangular products 4 d^3 / 3, eigenvalues 4 d^3 / 3.
    seconds = report["cases"][0]["arms"][0]["cpu_s"]
    report["share_of_gemm_peak"] = 3 * args.dimensions**3 / seconds / 1e9 / report["gemm_gflops_fp64"]
    print(f"full rank runs at {report['share_of_gemm_peak']:.0%} of {report['gemm_gflops_fp64']:.0f} GFLOP/s in fp64")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
