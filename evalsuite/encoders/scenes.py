"""The bundled scorer: a small CLIP (arXiv:2103.00020) for captioned scenes, in open_clip's own classes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from open_clip import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders.bpe import read_tokenizer
from evalsuite.encoders.bundle import load_tensors, sha256
from evalsuite.encoders.openclip import OpenCLIPEncoder
from evalsuite.encoders.precision import DTYPE
from evalsuite.encoders.preprocess import letterbox
from evalsuite.encoders.protocol import BATCH
from evalsuite.errors import InputError

HERE = Path(__file__).parent
CONFIG = HERE / "configs" / "scenes-clip.json"
VOCABULARY = HERE / "data" / "scenes_bpe.txt.gz"
WEIGHTS = HERE / "weights" / "scorer.safetensors"


def read_config() -> dict[str, object]:
    """The architecture, in open_clip's JSON format."""
    config: dict[str, object] = json.loads(CONFIG.read_text(encoding="utf-8"))
    return config


def build_model() -> CLIP:
    """The network with random weights, in training mode: 6.2 M parameters, features of 128 dimensions."""
    return CLIP(**read_config())


def build_tokenizer(vocabulary: Path = VOCABULARY) -> SimpleTokenizer:
    """The tokenizer over a merges file, at the network's context length.

    Raises:
        InputError: the file is missing or has more tokens than the network has embeddings.
    """
    text: dict[str, int] = read_config()["text_cfg"]  # type: ignore[assignment]
    try:
        tokenizer = read_tokenizer(vocabulary, text["context_length"])
    except OSError as error:
        raise InputError(f"{vocabulary}: cannot be read ({error}); reinstall evalsuite") from error
    if tokenizer.vocab_size > text["vocab_size"]:
        raise InputError(
            f"{vocabulary}: {tokenizer.vocab_size} tokens, {CONFIG.name} has room for {text['vocab_size']}"
        )
    return tokenizer


class ScenesEncoder(OpenCLIPEncoder):
    """An Encoder over the network that build_model makes. Scores in fp32, TF32 off, at one batch shape.

    Args:
        model: put into evaluation mode and moved to ``device``.
        tokenizer: from build_tokenizer.
        weights_sha256: of the weights file, or ``random:<seed>``.
        vocabulary_sha256: of the merges file.
        device: where to compute.
    """

    id = "scenes"

    def __init__(
        self,
        model: CLIP,
        tokenizer: SimpleTokenizer,
        weights_sha256: str,
        vocabulary_sha256: str,
        device: str | torch.device = "cpu",
    ) -> None:
        self.side = int(model.visual.image_size)
        preprocessing = f"letterbox {self.side} px bicubic antialiased, grey, {DTYPE}"
        facts = [self.id, weights_sha256, vocabulary_sha256, read_config(), preprocessing, BATCH]
        super().__init__(
            lambda: model,
            tokenizer,
            id=self.id,
            width=int(model.visual.output_dim),
            preprocessing=preprocessing,
            fingerprint=digest(facts),
            device=device,
            batch=BATCH,
        )

    def _prepare(self, images: Tensor) -> Tensor:
        return letterbox(images.to(self.device), self.side)


def load(device: str | torch.device = "cpu") -> ScenesEncoder:
    """The trained scorer that ships with the package.

    Raises:
        InputError: the weights are missing, altered or of another architecture.
    """
    tokenizer = build_tokenizer()
    state, weights_sha256 = load_tensors(WEIGHTS)
    model = build_model()
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{WEIGHTS}: not weights of {CONFIG.name} ({reason}); reinstall evalsuite") from error
    return ScenesEncoder(model, tokenizer, weights_sha256, sha256(VOCABULARY.read_bytes()), device)
