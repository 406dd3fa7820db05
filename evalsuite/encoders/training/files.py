"""The scorer as a training run left it, before it is installed in the package."""

from __future__ import annotations

from pathlib import Path

from evalsuite.encoders.bundle import load_tensors, sha256
from evalsuite.encoders.scenes import ScenesEncoder, build_model, build_tokenizer


def load_scorer(folder: Path) -> ScenesEncoder:
    """The encoder over `scorer.safetensors` and `scenes_bpe.txt.gz` of a folder."""
    state, digest = load_tensors(folder / "scorer.safetensors")
    model = build_model()
    model.load_state_dict(state)
    vocabulary = folder / "scenes_bpe.txt.gz"
    return ScenesEncoder(model, build_tokenizer(vocabulary), digest, sha256(vocabulary.read_bytes()))
