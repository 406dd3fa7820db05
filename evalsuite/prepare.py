"""From what the user asked for to a run that is ready to start, with everything checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backbones.protocol import TextToImage
from evalsuite import attention, compiling, distilled, hub_prompts, machine, memory, models, tiles, vae_precision
from evalsuite.errors import InputError
from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.manifest import Manifest, ModelFacts
from evalsuite.model_source import labels
from evalsuite.progress import Progress
from evalsuite.registry import PROMPTS
from evalsuite.sampling import predictions, sampling_of
from evalsuite.settle import settled
from evalsuite.spec import RunSpec
from prompts import BUNDLED, Prompt, PromptError, PromptSet, load, select

LONGEST_NAME = 80


class Shelf:
    """Models by name. The first is kept from when its facts were read to when it is used; the others load again.

    Args:
        prompts: of the run, where `take` comes without `facts` before it; a folder of images is matched with them.
    """

    def __init__(self, prompts: Sequence[Prompt] = ()) -> None:
        self._kept: dict[str, TextToImage] = {}
        self._prompts = prompts

    def facts(self, name: str, prompts: Sequence[Prompt], spec: RunSpec) -> ModelFacts:
        """Build the model and read what the plan needs to know."""
        self._prompts = prompts
        model = self._resolve(name, spec)
        if hasattr(model, "check_run"):
            model.check_run(prompts, spec)
        attention.check_model(model, spec.attention, name)
        tiles.check_model(model, spec.vae_tile, name)
        sampling, guided = sampling_of(model, spec, name), getattr(model, "guided", None)
        distilled.check_guidance(name, guided, spec.guidance, spec.negative_prompt)
        unknown = {prompt.id: tuple(model.unknown_words(prompt.text)) for prompt in prompts}
        if not self._kept:
            self._kept[name] = model
        return ModelFacts(
            fingerprint=model.fingerprint,
            stride=model.stride,
            parameters=models.parameters(model),
            unknown_words={prompt_id: words for prompt_id, words in unknown.items() if words},
            latent_space=str(getattr(model, "latent_space", "")),
            sampler=sampling.sampler,
            shift=sampling.shift,
            notes=(*getattr(model, "notes", ()), *distilled.notes_of(model, spec, sampling)),
            guided=guided,
        )

    def take(self, name: str, spec: RunSpec) -> TextToImage:
        """The model on the run's device, in its dtype; the shelf keeps no hold of it."""
        memory.reclaim()  # the one before it may be large
        model = self._kept.pop(name, None) or self._resolve(name, spec)
        return models.place(model, spec.device, spec.dtype)

    def put_back(self, name: str, model: TextToImage) -> None:
        """Keep a model that was taken for the one who takes it next."""
        self._kept[name] = model

    def _resolve(self, name: str, spec: RunSpec) -> TextToImage:
        model = models.resolve(name, spec.model_args)
        if isinstance(model, ImageFolder):
            model.match(self._prompts)
        return model


def prepare(spec: RunSpec, shelf: Shelf, progress: Progress | None = None) -> Manifest:
    """Check a spec, leave nothing open in it, and read its prompts and its models' facts.

    Raises:
        InputError: anything the user can fix; nothing was written.
    """
    device = machine.best_device() if spec.validate_values().device == "auto" else spec.device
    machine.check_device(device)
    spec = spec.resolved(device=device, cores=machine.cores(), bf16=machine.has_bf16(device))
    vae_precision.check(spec.vae_dtype, spec.device)
    attention.check_here(spec.attention, spec.device, models.TORCH_DTYPES[spec.dtype])
    spec = settled(spec)
    found = prompt_set(spec.prompts, progress)
    chosen = select(found.prompts, spec.limit)
    manifest = Manifest(
        spec=spec,
        prompts=chosen,
        prompts_name=found.name,
        prompts_sha256=found.sha256,
        models={name: shelf.facts(name, chosen, spec) for name in spec.models},
        machine=machine.describe(spec.device),
        versions=machine.versions(),
    )
    # Two aspects of one size show here, in the units.
    return replace(manifest, spec=replace(spec, compile=_compile(spec, manifest)))


def _compile(spec: RunSpec, manifest: Manifest) -> str:
    passes = max(predictions(spec.steps, facts.sampler) for facts in manifest.models.values())
    return compiling.settled(spec.compile, spec.device, manifest.units, passes)


def prompt_set(name: str, progress: Progress | None = None) -> PromptSet:
    """A bundled set, one of an entry point of ``evalsuite.prompts``, a file, a folder, or a file on the hub.

    Raises:
        InputError: unknown, unreadable, or breaking a rule.
    """
    if name.startswith(hub_prompts.PREFIX):
        return hub_prompts.load_from_hub(name, progress)
    installed = name not in BUNDLED and name in PROMPTS.targets()
    try:
        if not installed:
            return load(name)
        found = PROMPTS.load(name)()
    except (PromptError, OSError) as error:
        raise InputError(str(error)) from error
    if not isinstance(found, PromptSet):
        raise InputError(f"prompt set {name!r}: its entry point gave a {type(found).__name__}, not a PromptSet")
    return found


def folder_of(manifest: Manifest) -> Path:
    """The run folder: as asked for, or named after the run, so that the same command finds it again."""
    if manifest.spec.output_dir:
        return Path(manifest.spec.output_dir)
    words = "-".join([*labels(manifest.spec.models).values(), manifest.prompts_name])
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[: LONGEST_NAME - 9].strip("-")
    return Path("outputs") / f"{slug or 'run'}-{manifest.fingerprint[:8]}"


def with_metrics(manifest: Manifest, changes: Mapping[str, Any]) -> Manifest:
    """The same run, scored otherwise; how it is scored is no part of its identity.

    Args:
        manifest: of the run; its models may be those of another machine.
        changes: of ``metrics``, ``reference``, ``weights`` and ``hps_backend``; None leaves one as it is.

    Raises:
        InputError: an unknown metric, or its weights or the reference are not here.
    """
    spec = replace(manifest.spec, **{key: value for key, value in changes.items() if value is not None})
    return replace(manifest, spec=settled(spec.validate_values()))
