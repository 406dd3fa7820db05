"""Prompts to conditions: texts through the encoders of a diffusers pipeline, classes by their names or numbers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backbones.protocol import Condition
from evalsuite.loaders.class_labels import ClassLabels

PASSED = ("clean_caption", "max_sequence_length", "complex_human_instruction")
"""Arguments of a pipeline's call that it hands to its encoders; ours are the pipeline's own defaults."""
Outputs = tuple[Tensor | None, ...]


class Texts:
    """Text encoders with their tokenizers.

    Args:
        pipe: a diffusers pipeline of encoders and tokenizers alone.
        encoders: its encoders, to be moved and counted.
        tokenizers: its tokenizers.
        clean: whether captions can be cleaned here.

    Attributes:
        defaults: of the pipeline's call.
        notes: what is done otherwise than the pipeline's authors meant, for people.
    """

    def __init__(self, pipe: Any, encoders: nn.ModuleDict, tokenizers: Sequence[Any], clean: bool) -> None:
        self.pipe, self.encoders, self.tokenizers = pipe, encoders, tuple(tokenizers)
        call = inspect.signature(type(pipe).__call__).parameters
        takes = inspect.signature(pipe.encode_prompt).parameters
        self.defaults = {name: call[name].default for name in PASSED if name in call and name in takes}
        lacks = bool(self.defaults.get("clean_caption")) and not clean
        self.notes = ("captions are not cleaned: pip install beautifulsoup4 ftfy",) if lacks else ()
        self.defaults |= {"clean_caption": False} if lacks else {}

    def __call__(self, texts: Sequence[str], **changes: Any) -> Outputs:
        """What `encode_prompt` gives for B texts, without guidance."""
        takes = inspect.signature(self.pipe.encode_prompt).parameters
        how: dict[str, Any] = {"prompt": list(texts), "device": self.device, "num_images_per_prompt": 1}
        how |= {name: None for name in ("prompt_2", "prompt_3") if name in takes}
        how |= {"do_classifier_free_guidance": False} if "do_classifier_free_guidance" in takes else {}
        found: Outputs = self.pipe.encode_prompt(**how | self.defaults | changes)
        return found

    @property
    def device(self) -> torch.device:
        """Where the encoders are."""
        return next(self.encoders.parameters()).device

    def to(self, device: torch.device | str, dtype: torch.dtype) -> None:
        """Move the encoders and cast them, but for layers that transformers keeps in fp32 (T5's overflow in fp16)."""
        self.encoders.to(device, dtype)
        for encoder in self.encoders.values():
            kept = {name for name in (getattr(encoder, "_keep_in_fp32_modules", None) or ()) if dtype == torch.float16}
            for name, part in encoder.named_modules():
                if name.rpartition(".")[2] in kept:
                    part.float()

    def unread(self, text: str) -> tuple[str, ...]:
        """Words that no encoder reads: beyond the longest input, or unknown to every tokenizer."""
        words = text.split()
        missed = [self._missed(tokenizer, words) for tokenizer in self.tokenizers]
        return tuple(word for place, word in enumerate(words) if all(place in places for places in missed))

    def _missed(self, tokenizer: Any, words: Sequence[str]) -> set[int]:
        limit = self.defaults.get("max_sequence_length", tokenizer.model_max_length)
        limit = min(limit, tokenizer.model_max_length) - len(tokenizer("").input_ids)
        missed, used = set(), 0
        for place, word in enumerate(words):
            tokens = tokenizer(word, add_special_tokens=False).input_ids
            used += len(tokens)
            strange = tokenizer.unk_token != tokenizer.eos_token and tokenizer.unk_token_id in tokens
            if used > limit or strange:
                missed.add(place)
        return missed


class Classes:
    """Class labels of a class-conditional network: see `ClassLabels`, and the names of the model's own id2label.

    Args:
        count: of classes; the next number is the null class.
        names: number -> names, with commas between, as ImageNet has them; may be empty.
        model: its name, for messages.
    """

    def __init__(self, count: int, names: Mapping[str, str], model: str) -> None:
        self.labels = ClassLabels(count, count, model)
        self.own: dict[str, int] = {}
        for number, text in names.items():
            for name in (text, *text.split(",")):
                self.own.setdefault(name.strip().casefold(), int(number))

    def __call__(self, texts: Sequence[str]) -> Condition:
        """Labels (B,); "" is the null class.

        Raises:
            InputError: a text that is no class.
        """
        return {"label": torch.tensor([self._number(text) for text in texts])}

    def unread(self, text: str) -> tuple[str, ...]:
        """Nothing: a text names a class, or InputError is raised."""
        self._number(text)
        return ()

    def _number(self, text: str) -> int:
        own = self.own.get(text.strip().casefold())
        return self.labels.of(text) if own is None else own
