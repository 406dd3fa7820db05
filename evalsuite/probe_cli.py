"""``evalsuite probe``: what a velocity field is like, on a fixed bank and along its own sampling paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.options import HOW, MODEL_HELP, WHAT, WHERE, As, Device, Format, Quiet, Threads, option

if TYPE_CHECKING:
    from evalsuite.probe.spec import ProbeSpec

ON_THE_BANK = "The bank: pictures, noise, times"
Data = Annotated[
    str | None, option("--data", "A folder of images.", ON_THE_BANK, "the package's held-out renders", metavar="DIR")
]
Prompts = Annotated[
    str | None,
    option("--prompts", "Captions of --data, matched as `score` does; or none.", ON_THE_BANK, "the null prompt alone"),
]
Bank = Annotated[
    str | None, option("--bank", "Use a saved bank: a file, or a probe's folder.", ON_THE_BANK, metavar="PATH")
]
Images = Annotated[int | None, option("--images", "Pictures.", ON_THE_BANK, 20)]
Draws = Annotated[int | None, option("--draws", "Draws of noise a picture.", ON_THE_BANK, 8)]
Times = Annotated[str | None, option("--times", "How many, or which: 0.1,0.5,0.9.", ON_THE_BANK, "17, 0.02 to 0.98")]
Independent = Annotated[bool, option("--independent", "Draws of their own instead of pairs e, -e.", ON_THE_BANK)]
Size = Annotated[
    str | None, option("--size", "Scale and crop pictures.", ON_THE_BANK, "as they are", metavar="WIDTHxHEIGHT")
]
Seed = Annotated[int | None, option("--seed", "Of the noise.", ON_THE_BANK, 0)]
Paths = Annotated[int | None, option("--paths", "Pictures whose sampling path is walked.", HOW, 10)]
Steps = Annotated[int | None, option("--steps", "Steps of a path; 50 or more.", HOW, 50)]
Sampler = Annotated[str | None, option("--sampler", "midpoint, heun or euler.", HOW, "midpoint")]
Guidance = Annotated[float | None, option("--guidance", "Of the guided path; 1 is none.", HOW, 4.0)]
ModelArgs = Annotated[str | None, option("--model-args", "For models from files.", WHAT, metavar="KEY=VALUE,...")]
Dtype = Annotated[str | None, option("--dtype", "fp32, bf16 or fp16.", WHERE, "fp32")]
BatchSize = Annotated[
    str | None, option("--batch-size", "Predictions a pass.", WHERE, "16 on cpu, 64 on cuda", metavar="N|auto")
]
OutputDir = Annotated[
    str | None, option("--output-dir", "For bank, numbers, report and curves.", WHERE, "under outputs/")
]


def probe(
    models: Annotated[list[str], typer.Argument(help=MODEL_HELP, metavar="MODEL", show_default=False)],
    model_args: ModelArgs = None,
    data: Data = None,
    prompts: Prompts = None,
    bank: Bank = None,
    images: Images = None,
    draws: Draws = None,
    times: Times = None,
    independent: Independent = False,
    size: Size = None,
    seed: Seed = None,
    paths: Paths = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guidance: Guidance = None,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
    output_dir: OutputDir = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Measure velocity fields: error, calibration, variance and bias at fixed (x0, noise, t); how straight paths are.

    All models are shown one saved bank, in one parametrisation (e - x0)
    and on one axis of time; two or more give paired differences. Bank,
    rows, differences and curves (PNG, SVG) go into the output folder.

    By default a model is asked for 8,440 predictions of single images:
    a bundled one takes about a minute on two CPU cores. Repeat the command
    to go on after a stop; --bank shows other models the same.
    """
    from evalsuite.config import coerce
    from evalsuite.probe.spec import BankSpec, ProbeSpec, named
    from evalsuite.spec import RunSpec

    given = {
        "model_args": model_args, "steps": 50 if steps is None else steps, "sampler": sampler or "midpoint",
        "guidance": guidance, "device": device, "dtype": dtype, "batch_size": batch_size, "threads": threads,
    }  # fmt: skip
    settings = {
        name: coerce(name, value, f"--{name.replace('_', '-')}") for name, value in given.items() if value is not None
    }
    made = BankSpec(
        data=data, prompts=prompts, images=images, draws=draws, times=times, size=size, seed=seed,
        antithetic=False if independent else None,
    )  # fmt: skip
    spec = ProbeSpec(
        run=RunSpec(models=named(models), **settings),
        made=made,
        bank=bank,
        paths=10 if paths is None else paths,
        output_dir=output_dir,
    )
    spec.recipe()  # what is wrong with it is told before anything heavy is imported
    _show(spec, form, quiet)


def _show(spec: ProbeSpec, form: Format, quiet: bool) -> None:
    import json

    from evalsuite.display import write
    from evalsuite.probe.run import probe as run
    from evalsuite.progress import shown

    with shown(quiet) as progress:
        found, folder = run(spec, progress=progress)
        progress.note(f"report: {folder / 'probe.md'}")
    if form == "json":
        write(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        return
    from evalsuite.probe import text

    if form == "table":
        from rich.console import Console

        Console().print(text.table(found))
    else:
        write(text.text_markdown(found) if form == "md" else text.rows_csv(found.rows))
