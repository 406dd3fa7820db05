"""Runs every benchmark, one after the other, and publishes the table and the plots.

    python benchmarks/publish.py                  # about 11 minutes on two quiet CPU cores
    python benchmarks/publish.py --quick          # a rehearsal with tiny sizes, into outputs/benchmarks
    python benchmarks/publish.py --redraw         # table and plots again, from raw/

Writes README.md, results.json, ratios.svg/.png, scaling.svg/.png and raw/NAME.json. Measurements that a script made
elsewhere (a GPU's) join in when their JSON is put into raw/. A package that is not here is listed as not run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import draw_ratios
import draw_scaling
from collect import collect, is_drawn
from draw import FORMS
from others import CONTENDED_CORES, Watch
from page import page
from pairing import is_contended

from reports.files import write_text

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE.parent / "reports" / "published" / "benchmarks"
REHEARSED = Path("outputs") / "benchmarks"
THREADS = "{threads}"
FULL = {  # name -> script's arguments; together less than 12 minutes on two cores
    "fid_features": "--images 24 --rounds 3 --gemm-seconds 3 --threads {threads}",
    "frechet": "--rounds 3 --few 72 --threads 1",
    "hps": "--images 16 --rounds 3 --ready ViT-B-32 --threads {threads}",
    "sampling": "--preset s4 --steps 6 --batch 1 4 --rounds 5 --warm 0 --threads {threads}",
    "scaling": "--rounds 3 --images 8 32 128 --steps 2",
    "decode_memory": "--sides 512 1024 2048 --largest 2048",
}
QUICK = {
    "fid_features": "--images 8 --rounds 1 --stage-rounds 1 --gemm-seconds 0.2 --peers pytorch-fid --threads {threads}",
    "frechet": "--rounds 3 --dimensions 128 --full 300 --few 20 --peak-seconds 0.2 --threads 1",
    "hps": "--images 2 --side 64 --rounds 1 --ready= --threads {threads}",
    "sampling": "--preset tiny --steps 2 --batch 1 2 --rounds 3 --warm 0 --peak-seconds 0.2 --threads {threads}",
    "scaling": "--rounds 1 --images 4 8 --scored 4 --side 64 --steps 1 --sides 64 128 --records 5 10 --plan 1000 10000",
    "decode_memory": "--sides 128 256 --largest 384 --tile 128",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def measure(name: str, words: Sequence[str], folder: Path, load: float) -> Mapping[str, Any] | None:
    """Run a script and watch what else the machine does meanwhile.

    Args:
        name: of the script.
        words: its arguments.
        folder: for its JSON.
        load: average before the first benchmark: later ones would count those before them.

    Returns:
        Its JSON with ``run``; None where it failed, which is told on standard error.
    """
    file = folder / f"{name}.json"
    surroundings = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    command = [sys.executable, str(HERE / f"{name}.py"), *words, "--json", str(file)]
    watch, began = Watch(), time.monotonic()
    done = subprocess.run(command, env=surroundings | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    seconds, others = time.monotonic() - began, watch.others()
    if done.returncode or not file.is_file():
        say(f"{name}: failed with exit code {done.returncode}\n{done.stderr[-2000:]}")
        return None
    contended = is_contended(load, os.cpu_count() or 1) or (others or 0.0) > CONTENDED_CORES
    say(f"{name}: {seconds:.0f} s{', contended' if contended else ''}")
    run = {
        "command": " ".join([f"{name}.py", *words]),
        "seconds": round(seconds, 1),
        "load_before": round(load, 2),
        "others": None if others is None else round(others, 3),
        "contended": contended,
    }
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document | {"run": run}


def say(text: str) -> None:
    """To people; nothing reads it."""
    print(text, file=sys.stderr, flush=True)


def as_json(document: Any) -> str:
    """As a file's text: the same bytes for the same numbers, and no number that is none."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def publish(folder: Path, rehearsal: bool) -> None:
    """Table and plots of what is in raw/: the command's own measurements in its order, then the others by name."""
    files = sorted((folder / "raw").glob("*.json"), key=lambda file: (_place(file.stem), file.stem))
    found = collect({file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files})
    write_text(as_json(found), folder / "results.json")
    write_text(page(found, rehearsal), folder / "README.md")
    rows, curves = found["rows"], found["curves"]
    for plot, shown in ((draw_ratios, rows if any(map(is_drawn, rows)) else []), (draw_scaling, curves)):
        for form in FORMS:
            (folder / f"{plot.NAME}.{form}").unlink(missing_ok=True)
        if shown:
            plot.draw(shown, folder)


def _place(name: str) -> int:
    return list(FULL).index(name) if name in FULL else len(FULL)


def main() -> None:
    """Measure what was asked for, then publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, into another folder")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--only", nargs="+", choices=FULL, default=list(FULL), help="leave the others as they are")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the scripts that take it")
    parser.add_argument("--output", type=Path, help="folder to write to")
    args = parser.parse_args()
    folder = args.output or (REHEARSED if args.quick else PUBLISHED)
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    sizes, load, failed = QUICK if args.quick else FULL, os.getloadavg()[0], []
    with TemporaryDirectory() as scratch:
        for name in () if args.redraw else args.only:
            kept = folder / "raw" / f"{name}.json"
            kept.unlink(missing_ok=True)  # a failure leaves no older figures behind
            words = sizes[name].replace(THREADS, str(args.threads)).split()
            document = measure(name, words, Path(scratch), load)
            if document is None:
                failed.append(name)
            else:
                write_text(as_json(document), kept)
    publish(folder, args.quick)
    say(f"{folder / 'README.md'}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
