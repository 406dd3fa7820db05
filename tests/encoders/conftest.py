from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evalsuite.encoders.bpe import learn_bpe, write_bpe
from evalsuite.encoders.scenes import ScenesEncoder, build_model, build_tokenizer

CAPTIONS = [f"a {colour} {name} on a white background" for colour in ("red", "blue") for name in ("cat", "dog")]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bpe") / "bpe.txt.gz"
    write_bpe(path, learn_bpe(CAPTIONS, 200))
    return path


@pytest.fixture(scope="session")
def encoder(vocabulary: Path) -> ScenesEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model()
        for module in model.modules():  # zero-initialised gains would hide the residual branches
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return ScenesEncoder(model, build_tokenizer(vocabulary), "random:0", "test")
