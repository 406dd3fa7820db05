"""Peak memory of decoding one large picture with the bundled VAE: whole, and in tiles.

    python benchmarks/decode_memory.py --json decode_memory.json

Every row is a process of its own: how far the peak of its resident memory rises above what it held before, from
latents to the picture's bytes, on one thread of a CPU. A whole decoding of the largest size is not run but
extrapolated, by area, from the two largest that are. The goal is an eighth of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import results
from pairing import CLOCKS, environment, timed

BENCHMARK = "decode_memory"
GOAL = 1 / 8
LARGEST = 4096  # pixels; the goal is of that side
MIB = 2**20


def resident() -> int:
    """Bytes that this process holds now; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak()
    return pages * resource.getpagesize()


def peak() -> int:
    """Most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(side: int, tile: int | None) -> dict[str, float]:
    """Decode seeded noise of side x side pixels in this process."""
    import torch

    from backbones import bundled
    from evalsuite.decoding import decode

    torch.set_num_threads(1)
    model = bundled.dit()
    with torch.inference_mode():
        decode(model, torch.randn(1, *model.latent_shape(64, 64)), 64, 64, None)  # the libraries' own buffers
        latents = torch.randn(1, *model.latent_shape(side, side), generator=torch.Generator().manual_seed(0))
        before, timing = resident(), timed("decode", 0, lambda: decode(model, latents, side, side, tile))
    mib = (peak() - before) / MIB
    return {"side": side, "tile": tile or 0, "mib": mib, "cpu_s": timing.cpu_s, "wall_s": timing.wall_s}


def apart(side: int, tile: int | None) -> dict[str, float]:
    """`measure` in a process of its own."""
    words = [sys.executable, __file__, "--only", str(side), "--tile", str(tile or 0)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    row = f"{side:>5}  {f'{tile} px' if tile else 'whole':>8}  {found['mib']:>7.0f} MiB  {found['cpu_s']:>6.1f} CPU s"
    print(row, flush=True)
    return found


def point(found: Mapping[str, float]) -> dict[str, float]:
    """Of a curve: seconds at a side."""
    return {"x": found["side"], **{clock: found[clock] for clock in CLOCKS}, "rounds": 1}


def main() -> None:
    """Measure, print the table, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024, 2048, 3072], help="decoded whole, pixels")
    parser.add_argument("--largest", type=int, default=4096, help="decoded in tiles, pixels")
    parser.add_argument("--tile", type=int, default=384, help="side of a tile, pixels")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given.tile or None)))
        return
    facts = environment() | {"threads": 1}
    whole = [apart(side, None) for side in sorted(given.sides)]
    tiled = apart(given.largest, given.tile)
    a, b = whole[-2:]
    slope = (b["mib"] - a["mib"]) / (b["side"] ** 2 - a["side"] ** 2)
    extrapolated = b["mib"] + slope * (given.largest**2 - b["side"] ** 2)
    ratio = tiled["mib"] / extrapolated
    guessed = "" if given.largest in given.sides else " (extrapolated by area)"
    print(f"{given.largest:>5}  {'whole':>8}  {extrapolated:>7.0f} MiB{guessed}")
    print(f"tiled / whole at {given.largest}: {ratio:.3f}, goal {GOAL:.3f}: {'met' if ratio <= GOAL else 'NOT met'}")
    name = f"memory of decoding {given.largest} px in tiles, of that as a whole{guessed}"
    figures = [
        results.figure(BENCHMARK, name, ratio, "share", most=GOAL if given.largest >= LARGEST else None),
        results.figure(BENCHMARK, f"memory of decoding {given.largest} px in tiles", tiled["mib"], "MiB"),
        results.figure(BENCHMARK, f"time of decoding {given.largest} px in tiles", tiled["cpu_s"], "s", "cpu_s"),
    ]
    curves = [
        results.curve(BENCHMARK, "one picture decoded", name, ("side, pixels", "seconds"), map(point, found))
        for name, found in (("whole", whole), (f"in tiles of {given.tile}", [tiled]))
    ]
    results.write(given.json, BENCHMARK, facts, vars(given), (), figures, curves)


if __name__ == "__main__":
    main()
