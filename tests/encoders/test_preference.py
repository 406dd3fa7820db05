from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from evalsuite.encoders import preference
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preference import PreferenceHead, pairwise_loss, preference_features
from evalsuite.errors import InputError


def features(n: int, seed: int) -> np.ndarray:
    x = torch.randn(n, 128, generator=torch.Generator().manual_seed(seed))
    return F.normalize(x, dim=-1).numpy()


def trained_head() -> PreferenceHead:
    head = PreferenceHead()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in head.parameters():
            weight.normal_(0, 0.05, generator=generator)
    return head


def test_fresh_head_is_the_cosine():
    image, text = features(5, 0), features(5, 1)
    score = PreferenceHead()(torch.from_numpy(image), torch.from_numpy(text))
    np.testing.assert_allclose(score.detach().numpy(), (image * text).sum(1), atol=1e-6)


def test_features_give_the_score_at_any_batch_size():
    head, image, text = trained_head(), features(11, 0), features(11, 1)
    mapped = preference_features(head, image, text)
    score = head(torch.from_numpy(image), torch.from_numpy(text)).detach().numpy()
    np.testing.assert_allclose((mapped.image * mapped.text).sum(1), score, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mapped.image, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(preference_features(head, image[10:], text[10:]).image, mapped.image[10:])


def test_loss_is_cross_entropy_of_the_pair():
    a, b = torch.tensor([0.3, 0.1]), torch.tensor([0.2, 0.25])
    expected = F.cross_entropy(torch.stack([a, b], 1) / 0.05, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(pairwise_loss(a, b, 0.05), expected)
    assert pairwise_loss(a, a, 0.01).item() == pytest.approx(math.log(2), abs=1e-6)


def test_gradient_raises_the_preferred_score():
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    pairwise_loss(a, b, 0.1).backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.item() == pytest.approx(-5)
    assert b.grad.item() == pytest.approx(5)


def test_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "preference.safetensors"
    monkeypatch.setattr(preference, "WEIGHTS", path)
    with pytest.raises(InputError, match="cannot be read"):
        preference.load()
    digest = save_tensors(path, trained_head().state_dict(), {})
    head, sha = preference.load()
    assert sha == digest
    torch.testing.assert_close(head.image.weight, trained_head().image.weight, atol=1e-3, rtol=1e-3)
    save_tensors(path, {"image.weight": torch.zeros(2, 2)}, {})
    with pytest.raises(InputError, match="not weights of a preference head"):
        preference.load()
