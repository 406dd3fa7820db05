"""A run folder's ``run.json``: all that is needed to know its plan again, on any machine, without its models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from evalsuite import plan
from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.files import read_regular
from evalsuite.plan import Job, Machine, Unit
from evalsuite.sampling import DEFAULT, SHIFT, Sampling
from evalsuite.spec import NOT_PIXELS, ONLY_IF, RunSpec
from prompts import Prompt

FORMAT = 1
ELSEWHERE = ("output_dir", "weights")
"""Settings that are places on one machine."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a run must remember of a model.

    Attributes:
        fingerprint: hash of weights and configuration.
        stride: pixels that width and height divide by.
        parameters: how many numbers it has learned.
        unknown_words: prompt id to the words its text encoder has never seen.
        latent_space: what models with the same latents have in common; empty where no other model has them.
        sampler: the one that its images are made with.
        shift: the time shift; see `Sampling`.
        notes: where the model does not follow its checkpoint to the letter, in words.
        guided: the scale of guidance that its predictions carry, for a guidance-distilled model; None for others.
    """

    fingerprint: str
    stride: int
    parameters: int = 0
    unknown_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    latent_space: str = ""
    sampler: str = DEFAULT
    shift: float | None = SHIFT
    notes: tuple[str, ...] = ()
    guided: float | None = None


@dataclass(frozen=True)
class Manifest:
    """A resolved run.

    Attributes:
        spec: resolved.
        prompts: those of the run, after the limit.
        prompts_name: name of their set.
        prompts_sha256: of the whole set.
        models: name to facts.
        machine: where images are made.
        versions: library name to version; only PyTorch's is part of the identity.
    """

    spec: RunSpec
    prompts: tuple[Prompt, ...]
    prompts_name: str
    prompts_sha256: str
    models: Mapping[str, ModelFacts]
    machine: Machine
    versions: Mapping[str, str]

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Every image of the run, sorted by id."""
        return plan.jobs(self.spec, self.prompts, {name: facts.stride for name, facts in self.models.items()})

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The jobs in units, in the order they are best made."""
        prints = {name: facts.fingerprint for name, facts in self.models.items()}
        samplings = {name: Sampling(facts.sampler, facts.shift) for name, facts in self.models.items()}
        return plan.work_order(plan.units(self.jobs, self.spec, prints, self.machine, samplings), self.spec.models)

    def identity(self) -> dict[str, Any]:
        """What may not differ between two runs that share a folder."""
        spec = {
            key: value
            for key, value in self.spec.to_json().items()
            if key not in (*NOT_PIXELS, "prompts") and value in ONLY_IF.get(key, (value,))
        }
        return spec | {
            "sampler": _shared({name: facts.sampler for name, facts in self.models.items()}, self.spec.sampler),
            "shift": _shared({name: facts.shift for name, facts in self.models.items()}, self.spec.shift),
            "device": self.machine.device_class,
            "torch": self.machine.torch,
            "prompts": f"{self.prompts_name} {digest([asdict(prompt) for prompt in self.prompts])[:12]}",
            "weights": {name: facts.fingerprint for name, facts in self.models.items()},
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identity, in hex."""
        return digest(self.identity())

    def differences(self, other: Manifest) -> str:
        """Fields of the identity that differ, as ``steps (20 here, 30 there)``; empty when none does."""
        here, there = self.identity(), other.identity()
        both = {
            key: (here.get(key, getattr(self.spec, key, None)), there.get(key, getattr(other.spec, key, None)))
            for key in here | there
            if here.get(key) != there.get(key)
        }
        return ", ".join(f"{key} ({_brief(own)} here, {_brief(others)} there)" for key, (own, others) in both.items())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; places on this machine are left out, so that folders can be moved and compared."""
        data = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "spec": {key: value for key, value in self.spec.to_json().items() if key not in ELSEWHERE},
            "prompts": {
                "name": self.prompts_name,
                "sha256": self.prompts_sha256,
                "prompts": [asdict(prompt) for prompt in self.prompts],
            },
            "models": {name: asdict(facts) for name, facts in self.models.items()},
            "machine": asdict(self.machine),
            "versions": dict(self.versions),
        }
        return data | {"sha256": digest(data)}

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Of a run folder.

        Raises:
            InputError: it is none, or damaged.
        """
        path = folder / "run.json"
        try:
            text = read_regular(path)
        except OSError as error:
            raise InputError(f"{folder} is not a run folder: {path.name}: {error.strerror or error}") from error
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Manifest:
        """The inverse of to_json.

        Raises:
            InputError: not JSON, not of this format, or altered by hand.
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise InputError(f"format {data['format']!r}, this version reads {FORMAT}")
            if data.pop("sha256") != digest(data):
                raise InputError("altered since it was written: its hash does not fit its content")
            manifest = cls(
                spec=RunSpec.from_json(data["spec"]).validate_values(),
                prompts=tuple(_prompt(**entry) for entry in data["prompts"]["prompts"]),
                prompts_name=str(data["prompts"]["name"]),
                prompts_sha256=str(data["prompts"]["sha256"]),
                models={name: _facts(**facts) for name, facts in data["models"].items()},
                machine=Machine(**data["machine"]),
                versions=dict(data["versions"]),
            )
            _ = manifest.units  # a plan that cannot be made is found here, not in the middle of the work
        except InputError as error:
            raise InputError(f"{where}: {error}; use another folder") from error
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise InputError(f"{where} is damaged ({type(error).__name__}: {error}); use another folder") from error
        return manifest


def _shared(values: Mapping[str, Any], without: Any) -> Any:
    """What all models have in common, or each one's; without models, what the run asks for."""
    found = list(values.values())
    return without if not found else found[0] if found.count(found[0]) == len(found) else dict(values)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def _prompt(id: str, text: str, base: str | None, tags: list[str]) -> Prompt:
    return Prompt(id, text, base, tuple(tags))


def _facts(*, unknown_words: Mapping[str, list[str]], notes: Sequence[str] = (), **others: Any) -> ModelFacts:
    words = {prompt_id: tuple(found) for prompt_id, found in unknown_words.items()}
    return ModelFacts(unknown_words=words, notes=tuple(notes), **others)
