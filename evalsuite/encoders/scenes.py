"""The bundled scorer: a small CLIP (arXiv:2103.00020) for captioned scenes, in open_clip's own classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from open_clip import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders.bpe import read_tokenizer
from evalsuite.encoders.bundle import load_tensors, sha256
from evalsuite.encoders.preprocess import letterbox
from evalsuite.encoders.protocol import BATCH, in_fixed_batches
from evalsuite.errors import InputError

HERE = Path(__file__).parent
CONFIG = HERE / "configs" / "scenes-clip.json"
VOCABULARY = HERE / "data" / "scenes_bpe.txt.gz"
WEIGHTS = HERE / "weights" / "scorer.safetensors"
DTYPE = "fp32"


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


class ScenesEncoder:
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
        self.device = torch.device(device)
        self.model = model.to(self.device, torch.float32).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.side, self.width = int(model.visual.image_size), int(model.visual.output_dim)
        self.preprocessing = f"letterbox {self.side} px bicubic antialiased, grey, {DTYPE}"
        facts = [self.id, weights_sha256, vocabulary_sha256, read_config(), self.preprocessing, BATCH]
        self.fingerprint = digest(facts)

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W): (B, 128) float32 rows of unit length."""
        return self._run(self._encode_images, images)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts: (n, 128) float32 rows of unit length."""
        return self._run(self._encode_tokens, self.tokenizer(list(texts)))

    def truncated(self, text: str) -> bool:
        """Whether the text, with its start and end tokens, is longer than the context."""
        tokens: list[int] = self.tokenizer.encode(text)
        return len(tokens) + 2 > int(self.tokenizer.context_length)

    def _encode_images(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(letterbox(images, self.side), normalize=True)
        return features  # (BATCH, 128)

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(tokens, normalize=True)
        return features  # (BATCH, 128)

    def _run(self, forward: Callable[[Tensor], Tensor], rows: Tensor) -> np.ndarray:
        if not len(rows):
            return np.empty((0, self.width), np.float32)
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            return in_fixed_batches(forward, rows.to(self.device)).cpu().numpy()


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
