"""The options of every command that takes a run, declared once."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

import typer

from evalsuite.spec import RunSpec

WHAT, HOW, WHERE, SHOWN = "What to make", "Sampling", "Where and how fast", "Output"
DEFAULTS = RunSpec()


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    md = "md"
    csv = "csv"


def option(flag: str, help: str, panel: str, default: Any = None, **more: Any) -> Any:
    """An option that can also be set as EVALSUITE_FLAG; ``default`` is only shown, None stands for not given."""
    shown = ", ".join(default) if isinstance(default, tuple) else default
    return typer.Option(
        flag,
        help=help if shown is None else f"{help} Default: {shown}.",
        rich_help_panel=panel,
        envvar="EVALSUITE_" + flag.removeprefix("--").replace("-", "_").upper(),
        show_envvar=False,
        show_default=False,
        **more,
    )


MODEL_HELP = "Names of models, with commas, or repeated; also a path, hf:owner/repo, module:factory."
REFERENCE_HELP = "What fid, fd, kid and cmmd compare with: a folder of images, or a file of `evalsuite stats`."
Quiet = Annotated[bool, option("--quiet", "No progress.", SHOWN)]
As = Annotated[Format, option("--format", "How to print the results.", SHOWN, "table")]
Metrics = Annotated[
    str | None,
    option("--metrics", "Metrics, with commas; also family@network, module:attribute.", SHOWN, DEFAULTS.metrics),
]
Reference = Annotated[str | None, option("--reference", REFERENCE_HELP, SHOWN, "held-out renders of the package")]
HpsBackend = Annotated[
    str | None, option("--hps-backend", "open_clip, or hpsv2 for the package itself.", SHOWN, DEFAULTS.hps_backend)
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        help="A weight file of yours, as NAME=PATH; repeat it. Also EVALSUITE_WEIGHTS: a folder, or pairs with commas.",
        metavar="NAME=PATH",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Device = Annotated[str | None, option("--device", "auto, cpu, cuda or cuda:1.", WHERE, DEFAULTS.device)]
Threads = Annotated[int | None, option("--threads", "CPU threads.", WHERE, "the physical cores")]
Log = Annotated[
    str | None,
    option("--log", "Also to tensorboard, wandb, mlflow or module:attribute, with commas.", SHOWN, metavar="NAMES"),
]
Gpus = Annotated[int | None, option("--gpus", "A process for each of N GPUs of this machine.", WHERE, metavar="N")]
Shard = Annotated[
    str | None,
    option("--shard", "Make one part of N alone: 1/4, or array in a SLURM job array.", WHERE, metavar="I/N|array"),
]
DryRun = Annotated[bool, option("--dry-run", "Plan and estimate; write nothing.", SHOWN)]


def spec_from(
    models: Annotated[list[str] | None, option("--model", MODEL_HELP, WHAT, DEFAULTS.models)] = None,
    model_args: Annotated[
        str | None, option("--model-args", "For models from files.", WHAT, metavar="KEY=VALUE,...")
    ] = None,
    prompts: Annotated[str | None, option("--prompts", "A set's name, or a file.", WHAT, DEFAULTS.prompts)] = None,
    aspects: Annotated[str | None, option("--aspects", "Ratios, with commas.", WHAT, DEFAULTS.aspects)] = None,
    pixels: Annotated[int | None, option("--pixels", "Area of every image.", WHAT, DEFAULTS.pixels)] = None,
    limit: Annotated[int | None, option("--limit", "Use the first N prompts.", WHAT, "all", metavar="N")] = None,
    seed: Annotated[int | None, option("--seed", "Of the whole run.", WHAT, DEFAULTS.seed)] = None,
    num_images: Annotated[
        int | None, option("--num-images", "Images per model, prompt and ratio.", WHAT, DEFAULTS.num_images)
    ] = None,
    config: Annotated[
        str | None, option("--config", "A YAML or TOML file of settings; options win over it.", WHAT)
    ] = None,
    steps: Annotated[
        int | None, option("--steps", "Steps of the sampler; 0: the default.", HOW, "10 with bundled models, else 20")
    ] = None,
    guidance: Annotated[
        float | None, option("--guidance", "Guidance scale; 1 is none.", HOW, DEFAULTS.guidance)
    ] = None,
    negative_prompt: Annotated[
        str | None, option("--negative-prompt", "What guidance leads away from.", HOW, "the null prompt")
    ] = None,
    sampler: Annotated[
        str | None,
        option("--sampler", "euler, heun, midpoint; also a model's own: ddim, dpm++2m.", HOW, DEFAULTS.sampler),
    ] = None,
    shift: Annotated[
        float | None, option("--shift", "Time shift towards the noise; 1 is none.", HOW, "the model's own")
    ] = None,
    attention: Annotated[
        str | None,
        option("--attention", "auto, sdpa, flash, cudnn, efficient, math or linear.", HOW, DEFAULTS.attention),
    ] = None,
    vae_tile: Annotated[
        str | None, option("--vae-tile", "Decode in tiles of N pixels; auto, off.", WHERE, DEFAULTS.vae_tile)
    ] = None,
    device: Device = None,
    dtype: Annotated[
        str | None, option("--dtype", "fp32, bf16 or fp16.", WHERE, "fp32 on cpu, bf16 on cuda", metavar="DTYPE|auto")
    ] = None,
    vae_dtype: Annotated[
        str | None,
        option(
            "--vae-dtype",
            "Of decoding: fp32, tf32 or bf16.",
            WHERE,
            "fp32; tf32 on cuda where --dtype is bf16 or fp16",
            metavar="DTYPE|auto",
        ),
    ] = None,
    compile: Annotated[
        str | None,
        option("--compile", "Compile blocks: auto (on cuda, for long runs), on, off.", WHERE, DEFAULTS.compile),
    ] = None,
    cuda_graphs: Annotated[
        str | None, option("--cuda-graphs", "Replay passes on cuda: auto, off.", WHERE, DEFAULTS.cuda_graphs)
    ] = None,
    batch_size: Annotated[
        str | None, option("--batch-size", "Images per pass.", WHERE, "4 on cpu, on cuda measured", metavar="N|auto")
    ] = None,
    threads: Threads = None,
    output_dir: Annotated[
        str | None, option("--output-dir", "The run folder.", WHERE, "outputs/, named after the run")
    ] = None,
    weights: Given = None,
    metrics: Metrics = None,
    reference: Reference = None,
    hps_backend: HpsBackend = None,
) -> RunSpec:
    """A spec from what was given, over a run file, over the defaults.

    Raises:
        InputError: a setting that cannot be read.
    """
    given = {key: value for key, value in locals().items() if value is not None and key != "config"}
    from evalsuite.config import coerce, read

    if models is not None:
        given["models"] = [name for item in models for name in item.split(",") if name.strip()]
    settings = read(config) if config is not None else {}
    return RunSpec(**settings | {key: coerce(key, value, _flag(key)) for key, value in given.items()})


def _flag(field: str) -> str:
    """The option that sets a field of the spec, as the user writes it."""
    return "--model" if field == "models" else f"--{field.replace('_', '-')}"


def takes_a_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `spec_from` before its own; it gets the spec they make as ``spec``.

    An option that the command has under the same name stands in the place of the shared one, and is the command's.
    """
    shared = _parameters(spec_from)
    own = {name: value for name, value in _parameters(command).items() if name != "spec"}

    @wraps(command)
    def with_options(**given: Any) -> None:
        spec = spec_from(**{name: given.pop(name) for name in shared if name not in own})
        command(spec=spec, **given)

    together = shared | own
    with_options.__signature__ = signature(command).replace(parameters=list(together.values()))  # type: ignore[attr-defined]
    with_options.__annotations__ = {name: value.annotation for name, value in together.items()}
    return with_options


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(function).parameters.items()
    }
