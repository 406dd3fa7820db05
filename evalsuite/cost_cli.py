"""``evalsuite cost``: what pictures of a size cost, counted from configurations and measured where a device is."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.options import HOW, WHAT, WHERE, As, Device, Format, Quiet, Threads, option

MODEL_HELP = (
    "Models as for run; shape:NAME of a published architecture (dit-xl-2, sd15-unet, sdxl-unet, flux-dev, ...);"
    " a config.json of diffusers, a card, or flags of ADM."
)
SIZES, BATCH, STEPS, GUIDANCE, SECONDS = "256,512,1024", 1, 20, 4.0, 10.0

Sizes = Annotated[
    str | None, option("--sizes", "Sides of squares in pixels, or WIDTHxHEIGHT, with commas.", WHAT, SIZES)
]
Args = Annotated[str | None, option("--model-args", "For models that must be loaded.", WHAT, metavar="KEY=VALUE,...")]
Steps = Annotated[int | None, option("--steps", "Steps of the sampler.", HOW, STEPS)]
Guidance = Annotated[float | None, option("--guidance", "Guidance scale; 1 is none.", HOW, GUIDANCE)]
Sampler = Annotated[str | None, option("--sampler", "euler, heun, midpoint, or a model's own.", HOW, "auto")]
Batch = Annotated[int | None, option("--batch-size", "Pictures per pass.", WHERE, BATCH)]
Dtype = Annotated[str | None, option("--dtype", "fp32, bf16 or fp16; VAEs stay in fp32.", WHERE, "fp32")]
Unmeasured = Annotated[bool, option("--no-measure", "Count only: no device, and always the same bytes.", WHERE)]
Seconds = Annotated[
    float | None, option("--measure-seconds", "Leave out sizes whose passes would take longer.", WHERE, SECONDS)
]
Output = Annotated[
    str | None,
    option("--output-dir", "For cost.json, .csv, .md, .png and .svg.", WHERE, "outputs/, named after the models"),
]


def cost(
    models: Annotated[list[str], typer.Argument(help=MODEL_HELP, metavar="MODEL", show_default=False)],
    sizes: Sizes = None,
    model_args: Args = None,
    steps: Steps = None,
    guidance: Guidance = None,
    sampler: Sampler = None,
    batch_size: Batch = None,
    dtype: Dtype = None,
    device: Device = None,
    threads: Threads = None,
    no_measure: Unmeasured = False,
    measure_seconds: Seconds = None,
    output_dir: Output = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """FLOP of a picture by part and size, how attention grows, other attention and space, memory, seconds.

    Operations are counted on the meta device: no weights are needed, and no memory.
    """
    from evalsuite.cost import files, text
    from evalsuite.cost.plan import Plan
    from evalsuite.cost.size import parse
    from evalsuite.cost.survey import Measuring, place, survey
    from evalsuite.display import write
    from evalsuite.progress import shown

    plan = Plan(
        sizes=parse(SIZES if sizes is None else sizes),
        batch=BATCH if batch_size is None else batch_size,
        dtype=dtype or "fp32",
        steps=STEPS if steps is None else steps,
        guidance=GUIDANCE if guidance is None else guidance,
        sampler=sampler or "auto",
    )
    measuring = Measuring(device or "auto", SECONDS if measure_seconds is None else measure_seconds, threads)
    args = model_args.split(",") if model_args else ()
    folder = place(models, output_dir)
    with shown(quiet) as progress:
        found = survey(models, plan, None if no_measure else measuring, progress, args)
        paths = files.write_all(found, folder)
        progress.note(f"written: {', '.join(str(path) for path in paths)}")
    if form == "table":
        from rich.console import Console

        Console().print(text.table(found))
    else:
        made = {"json": files.text_json, "csv": files.text_csv, "md": text.text_markdown}
        write(made[form.value](found))
