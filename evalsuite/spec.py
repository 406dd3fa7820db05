"""What a run is: everything that can change a pixel, and which metrics to compute."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

from evalsuite import model_source
from evalsuite.errors import InputError
from evalsuite.metric_names import parse
from evalsuite.sizes import size_of
from evalsuite.spec_checks import check_aspects, check_choice, check_names, check_real, check_whole
from evalsuite.tiles import check_tile

__all__ = ["DTYPES", "SAMPLERS", "RunSpec", "size_of"]

SAMPLERS = ("euler", "heun", "midpoint")
"""Those that every model takes; others are a model's own."""
KNOWN_SAMPLERS = ("auto", *SAMPLERS, "ddim", "dpm++2m")
SAMPLER = re.compile(r"[a-z0-9][a-z0-9+_.-]{0,31}")
DTYPES = ("fp32", "bf16", "fp16")
VAE_DTYPES = ("auto", "fp32", "tf32", "bf16")
COMPILE = ("auto", "on", "off")
ATTENTION = ("auto", "sdpa", "flash", "cudnn", "efficient", "math", "linear")
HPS_BACKENDS = ("open_clip", "hpsv2")
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")
WHOLE = {
    "pixels": (64 * 64, 4096 * 4096),
    "limit": (1, 10**7),
    "seed": (0, 2**63 - 1),
    "num_images": (1, 10**5),
    "steps": (0, 1000),
    "batch_size": (1, 4096),
    "threads": (1, 1024),
}
REAL = {"guidance": (0.0, 100.0), "shift": (0.01, 100.0)}
TRAINED = ("dit", "unet")
"""The bundled models that were trained."""
TURBO = ("dit-turbo", "unet-turbo")
"""Those that were distilled."""
NOT_PIXELS = ("output_dir", "metrics", "reference", "weights", "hps_backend", "cuda_graphs")
ONLY_IF = {"compile": ("on",), "vae_dtype": ("tf32", "bf16")}
"""Settings that change a pixel with these values alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """One run. Lists may be given for tuples.

    Attributes:
        models: backbone names, ``module:factory``, paths of checkpoints, or hub ids; see `evalsuite.model_source`.
        model_args: ``key=value`` for every model that is loaded from a file.
        prompts: a bundled set's name, or the path of a prompt file.
        aspects: ratios width:height, from 1:4 to 4:1.
        pixels: area of every image, whatever its ratio; sides are rounded to the model's stride.
        limit: how many prompts to use, from the first; None means all of them.
        seed: of the whole run; an image's own seed derives from it, the prompt and the index.
        num_images: images per model, prompt and aspect.
        steps: steps of the sampler; 0 means what suits the models, see `suited_steps`.
        guidance: classifier-free guidance scale; 1 means none.
        negative_prompt: what guidance leads away from; empty means the null prompt.
        sampler: ``auto`` (a model's own, else ``euler``), ``euler`` (one prediction a step), ``heun`` or ``midpoint``
            (two), or one of the model's own, such as ``ddim`` or ``dpm++2m``.
        shift: time shift a of t' = a t / (1 + (a - 1) t); 1 means uniform steps, None the model's own. Samplers of
            noise-predicting models have none.
        attention: kernel of the predictions' attention, see `evalsuite.attention`: ``auto`` and ``sdpa`` leave it to
            PyTorch; ``flash``, ``cudnn``, ``efficient`` and ``math`` force one; ``linear`` is for models made so.
        vae_tile: side in pixels of the tiles that images are decoded in; ``auto``, see `evalsuite.tiles`, or ``off``.
        device: ``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        dtype: of weights and activations; noise and integration stay fp32. ``auto``: bf16 on a GPU that has it, else
            fp32.
        vae_dtype: arithmetic of decoding, see `evalsuite.vae_precision`; ``auto``: ``tf32`` on a GPU whose dtype is
            bf16 or fp16, else ``fp32``.
        compile: whether the blocks of models are compiled, see `evalsuite.compiling`: ``on``, ``off``, or ``auto``, on
            a GPU where the run is long enough to repay it.
        cuda_graphs: ``auto`` (on a GPU passes are recorded and replayed where they can be) or ``off``; it changes no
            pixel.
        batch_size: images per forward pass. It can change the last bits of an image, so it is recorded.
        threads: CPU threads per operation, for the same reason; None means the physical cores.
        metrics: names from the metric catalogue; one without a network takes the published one where its weights are
            on the machine, else the bundled one.
        reference: what Frechet and kernel distances compare with: a folder of images, or a file of `evalsuite stats`;
            None means the held-out renders of the package.
        weights: weight files of published scorers, as ``NAME=PATH``.
        hps_backend: ``open_clip``, or ``hpsv2`` to run that package itself.
        output_dir: the run folder; None means one named after the run under ``outputs``.
    """

    models: tuple[str, ...] = ("dit",)
    model_args: tuple[str, ...] = ()
    prompts: str = "smoke"
    aspects: tuple[str, ...] = ("1:1", "3:2", "9:16")
    pixels: int = 256 * 256
    limit: int | None = None
    seed: int = 0
    num_images: int = 1
    steps: int = 0
    guidance: float = 4.0
    negative_prompt: str = ""
    sampler: str = "auto"
    shift: float | None = None
    attention: str = "auto"
    vae_tile: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    vae_dtype: str = "auto"
    compile: str = "auto"
    cuda_graphs: str = "auto"
    batch_size: int | Literal["auto"] = "auto"
    threads: int | None = None
    metrics: tuple[str, ...] = ("hps", "clip_score", "clip_direction", "fid", "v_variance")
    reference: str | None = None
    weights: tuple[str, ...] = ()
    hps_backend: str = "open_clip"
    output_dir: str | None = None

    def __post_init__(self) -> None:
        for name in ("models", "model_args", "aspects", "metrics", "weights"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.vae_tile, int) and not isinstance(self.vae_tile, bool):
            object.__setattr__(self, "vae_tile", str(self.vae_tile))
        for name in REAL:
            if type(getattr(self, name)) is int:
                object.__setattr__(self, name, float(getattr(self, name)))

    def validate(self) -> RunSpec:
        """The same spec, every field checked and every model and metric known here.

        Raises:
            InputError: the first field that is wrong, its value, and what it may be.
        """
        self.validate_values()
        for model in self.models:
            source = model_source.parse(model)
            if source.is_file:
                model_source.locate(source)
        for metric in self.metrics:
            parse(metric)
        return self

    def validate_values(self) -> RunSpec:
        """The same spec, every field checked; models and metrics may be those of another machine.

        Raises:
            InputError: the first field that is wrong, its value, and what it may be.
        """
        for name in ("models", "aspects", "metrics"):
            check_names(name, getattr(self, name))
        if self.weights:
            check_names("weights", self.weights)
        if self.reference is not None and (not isinstance(self.reference, str) or not self.reference):
            raise InputError(f"reference is {self.reference!r}: name a folder of images, or a file of evalsuite stats")
        for name, (lowest, highest) in WHOLE.items():
            check_whole(name, getattr(self, name), lowest, highest)
        for name, (least, most) in REAL.items():
            check_real(name, getattr(self, name), least, most)
        if self.model_args:
            check_names("model_args", self.model_args)
            model_source.arguments(self.model_args, "model_args")
        if not isinstance(self.negative_prompt, str) or not self.negative_prompt.isprintable():
            raise InputError(f"negative_prompt is {self.negative_prompt!r}: write one line of text")
        if not isinstance(self.sampler, str) or not SAMPLER.fullmatch(self.sampler):
            raise InputError(
                f"sampler {self.sampler!r} is no name: use {', '.join(KNOWN_SAMPLERS)}, or another of the model's own"
            )
        check_choice("dtype", self.dtype, ("auto", *DTYPES))
        check_choice("vae_dtype", self.vae_dtype, VAE_DTYPES)
        check_choice("compile", self.compile, COMPILE)
        check_choice("cuda_graphs", self.cuda_graphs, ("auto", "off"))
        check_choice("attention", self.attention, ATTENTION)
        check_tile(self.vae_tile)
        check_choice("hps_backend", self.hps_backend, HPS_BACKENDS)
        if not isinstance(self.device, str) or not DEVICE.fullmatch(self.device):
            raise InputError(f"device {self.device!r} is unknown: use auto, cpu, cuda or cuda:0")
        if not isinstance(self.prompts, str) or not self.prompts:
            raise InputError(f"prompts is {self.prompts!r}: name a bundled set or a file")
        check_aspects(self.aspects)
        return self

    def resolved(self, *, device: str, cores: int, bf16: bool = False) -> RunSpec:
        """The same run with nothing left open but ``compile``, which the plan settles.

        Args:
            device: what to use where the spec says ``auto``.
            cores: threads to use where the spec has none.
            bf16: whether the GPU computes in bf16.

        Raises:
            InputError: a field is wrong, or fp16 on a CPU.
        """
        self.validate()
        device = device if self.device == "auto" else self.device
        if self.dtype == "fp16" and device == "cpu":
            raise InputError("dtype fp16 on cpu is about 30 times slower than fp32: use fp32 or bf16")
        gpu = device.startswith("cuda")
        batch = self.batch_size if self.batch_size != "auto" else 16 if gpu else 4
        dtype = self.dtype if self.dtype != "auto" else "bf16" if gpu and bf16 else "fp32"
        vae = self.vae_dtype if self.vae_dtype != "auto" else "tf32" if gpu and dtype != "fp32" else "fp32"
        threads, steps = self.threads or cores, self.steps or suited_steps(self.models)
        return replace(self, device=device, batch_size=batch, dtype=dtype, vae_dtype=vae, threads=threads, steps=steps)

    def to_json(self) -> dict[str, Any]:
        """Every field, as plain JSON data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "spec") -> RunSpec:
        """The inverse of to_json; fields that are missing take their defaults.

        Raises:
            InputError: an unknown field, with the nearest known one.
        """
        known = [field.name for field in fields(cls)]
        for key in data:
            if key not in known:
                near = get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                raise InputError(f"{where}: no setting {key!r}; {hint}")
        return cls(**data)


def suited_steps(models: Sequence[str]) -> int:
    """Steps of a run that names none.

    8 where all models are bundled and distilled, for so many steps; 10 where all are bundled ones, whose pictures
    change little after that; else 20.
    """
    names = {name.partition("?")[0] for name in models}
    if names and names <= {*TURBO}:
        return 8
    return 10 if names <= {*TRAINED, *TURBO} else 20
