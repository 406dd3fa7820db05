from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.metrics import CLIPDirection
from evalsuite.metrics.clip_direction import (
    directional_similarity,
    estimate,
    estimate_image_similarity,
    image_similarity,
    null_mean,
    pairs_of,
    per_image,
)

Draw = Callable[[int, int], np.ndarray]


@pytest.fixture
def four(features: Draw) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(features(7, 32)) for _ in range(4))


def test_images_that_are_their_texts_give_one(four: tuple[Tensor, ...]):
    _, _, text, text0 = four
    torch.testing.assert_close(directional_similarity(text, text0, text, text0), torch.ones(7).double())


def test_swapping_the_images_negates(four: tuple[Tensor, ...]):
    image, image0, text, text0 = four
    swapped = directional_similarity(image0, image, text, text0)
    torch.testing.assert_close(swapped, -directional_similarity(image, image0, text, text0), atol=1e-12, rtol=0)


def test_orthogonal_changes_give_zero():
    e = torch.eye(6)
    origin = F.normalize(e[4] + e[5], dim=0)
    image, text = F.normalize(origin + 0.5 * e[0], dim=0), F.normalize(origin - 0.5 * e[1], dim=0)
    # The shared origin shrinks under normalisation; planting the change inside the sphere's tangent removes it.
    tangent = image - (image @ origin) * origin, text - (text @ origin) * origin
    got = directional_similarity(origin + tangent[0], origin - tangent[0], origin + tangent[1], origin - tangent[1])
    assert got.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("still", ["image", "text"])
def test_no_change_has_no_direction(four: tuple[Tensor, ...], still: str):
    image, image0, text, text0 = four
    near = image0 + 1e-5 * torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    changed = (near, image0, text, text0) if still == "image" else (image, image0, text0, text0)
    assert directional_similarity(*changed).isnan().all()
    metric = CLIPDirection()
    metric.update(*four)
    metric.update(*changed)
    assert metric.undefined == 7
    assert metric.compute().item() == pytest.approx(directional_similarity(*four).mean().item())


def test_equals_the_formula_of_instructpix2pix(four: tuple[Tensor, ...]):
    image, image0, text, text0 = (3 * x for x in four)
    i1, i0, t1, t0 = (x / x.norm(dim=1, keepdim=True) for x in (image, image0, text, text0))
    theirs = F.cosine_similarity(i1 - i0, t1 - t0)
    torch.testing.assert_close(directional_similarity(image, image0, text, text0).float(), theirs, atol=1e-6, rtol=0)


def test_metric_over_several_updates_equals_the_function(four: tuple[Tensor, ...]):
    metric = CLIPDirection()
    for part in torch.arange(7).split([2, 5]):
        metric.update(*(x[part] for x in four))
    assert metric.compute().item() == pytest.approx(directional_similarity(*four).mean().item(), abs=1e-12)


def test_estimate_pairs_edits_with_their_bases(sample: Callable, inputs: Callable, features: Draw):
    samples = [sample("a"), sample("a2", "a"), sample("b2", "b"), sample("c2", "c")]
    image, text, image0, text0 = (features(4, 16) for _ in range(4))
    image0[3] = image[3]
    got = estimate(given := inputs(samples, image, text, (image0, text0)))
    both = slice(1, 3)
    expected = directional_similarity(*(torch.from_numpy(x[both]) for x in (image, image0, text, text0)))
    assert list(per_image(given).values()) == pytest.approx(expected.tolist())
    assert got.value == pytest.approx(expected.mean().item())
    assert got.n == 2
    assert got.note.startswith("1 of 3 pairs without a direction left out; 1 of 3 images hardly changed; prompts")
    similarity = estimate_image_similarity(given)
    assert similarity.n == 3
    assert similarity.value == pytest.approx((1 + (image[both] * image0[both]).sum()) / 3, abs=1e-6)


def test_edits_without_a_base_image_are_counted(sample: Callable, inputs: Callable, features: Draw):
    got = estimate(inputs([sample("a2", "a")], features(1, 8), features(1, 8)))
    assert got[:4] == (None, None, None, 0)
    assert got.note == "1 edits without a base image left out"
    none = estimate(inputs([sample("a")], features(1, 8), features(1, 8)))
    assert none.note == "no edited prompt in this slice"


def test_null_mean_is_the_mean_over_pairs_of_different_prompts(sample: Callable, inputs: Callable, features: Draw):
    prompts = ["a", "a", "b", "c"]
    samples = [sample(name, "base", index=i) for i, name in enumerate(prompts)]
    pairs = pairs_of(inputs(samples, *(features(4, 8) for _ in range(2)), (features(4, 8), features(4, 8))))
    cosines = [
        directional_similarity(
            pairs.image[i : i + 1], pairs.image0[i : i + 1], pairs.text[j : j + 1], pairs.text0[j : j + 1]
        )
        for i in range(4)
        for j in range(4)
        if prompts[i] != prompts[j]
    ]
    assert null_mean(pairs, prompts) == pytest.approx(torch.cat(cosines).mean().item(), abs=1e-12)
    assert null_mean(pairs, ["a"] * 4) is None


def test_equal_images_are_never_more_than_alike(sample: Callable, inputs: Callable, features: Draw):
    rows = features(40, 24)
    given = inputs([sample(f"{i}", "base") for i in range(40)], rows, rows, (rows, rows))
    got = estimate_image_similarity(given)
    assert got.value == pytest.approx(1)
    assert max(image_similarity(given).values()) <= 1
    assert got.high is None or got.high <= 1
