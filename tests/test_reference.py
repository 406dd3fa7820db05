from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsuite.errors import InputError
from evalsuite.reference import Reference, build_reference, load_reference, moments

WORDS = {"extractor": "scenes", "fingerprint": "f" * 64, "preprocessing": "letterbox"}


def rows(n: int, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.fixture
def built(tmp_path: Path) -> Reference:
    return build_reference(tmp_path / "r.npz", {"3:2": rows(9, seed=1) + 1, "1:1": rows(20)}, **WORDS)


def test_moments_equal_numpy():
    found = moments(rows(30))
    np.testing.assert_allclose(found.mean, rows(30).astype(float).mean(0), atol=1e-15)
    np.testing.assert_allclose(found.covariance, np.cov(rows(30).astype(float).T), atol=1e-14)
    with pytest.raises(ValueError, match="n >= 2"):
        moments(rows(1))


def test_round_trip(built: Reference):
    assert list(built.aspects) == ["1:1", "3:2"]
    assert (built.extractor, built.fingerprint, built.preprocessing) == tuple(WORDS.values())
    np.testing.assert_array_equal(built.aspects["3:2"].covariance, moments(rows(9, seed=1) + 1).covariance)
    assert built.aspects["1:1"].n == 20


def test_same_features_make_the_same_bytes(built: Reference, tmp_path: Path):
    other = build_reference(tmp_path / "other.npz", {"1:1": rows(20), "3:2": rows(9, seed=1) + 1}, **WORDS)
    assert other.sha256 == built.sha256


def test_mixture_is_the_law_of_total_covariance(built: Reference):
    # Pooled rows, each weighted by its aspect's share over its number, with population covariances.
    a, b = built.aspects["1:1"], built.aspects["3:2"]
    mixed = built.mixture({"1:1": 3, "3:2": 1, "9:16": 0})
    np.testing.assert_allclose(mixed.mean, 0.75 * a.mean + 0.25 * b.mean)
    between = 0.75 * 0.25 * np.outer(a.mean - b.mean, a.mean - b.mean)
    np.testing.assert_allclose(mixed.covariance, 0.75 * a.covariance + 0.25 * b.covariance + between, atol=1e-12)
    np.testing.assert_allclose(built.mixture({"3:2": 7}).covariance, b.covariance, atol=1e-12)
    with pytest.raises(KeyError):
        built.mixture({"21:9": 1})


def altered(**changes: Any) -> bytes:
    found = moments(rows(20))
    arrays: dict[str, Any] = {
        "aspects": np.array(["1:1"]),
        "mu": found.mean[None],
        "sigma": found.covariance[None],
        "n": np.array([20]),
        **{name: np.array(word) for name, word in WORDS.items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return buffer.getvalue()


SKEW = np.eye(4) + np.triu(np.ones((4, 4)))
BAD: list[tuple[Callable[[], bytes], str]] = [
    (lambda: b"", "not a reference file"),
    (lambda: b"PK\x03\x04 no zip", "not a reference file"),
    (lambda: altered()[:-40], "not a reference file"),
    (lambda: altered(sigma=None), "not a reference file"),
    (lambda: altered(sigma=np.eye(4)), "shapes"),
    (lambda: altered(mu=np.zeros((2, 4))), "shapes"),
    (lambda: altered(mu=np.full((1, 4), np.nan)), "not finite"),
    (lambda: altered(sigma=SKEW[None]), "not symmetric"),
    (lambda: altered(sigma=-np.eye(4)[None]), "negative eigenvalue"),
    (lambda: altered(n=np.array([1])), "whole numbers"),
    (lambda: altered(n=np.array([20.0])), "whole numbers"),
    (lambda: altered(aspects=np.array([3])), "different strings"),
    (lambda: altered(aspects=np.array([{}], dtype=object)), "not a reference file"),
    (lambda: altered(extractor=np.array(["a", "b"])), "not a reference file"),
]


@pytest.mark.parametrize(("make", "reason"), BAD)
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, make: Callable[[], bytes], reason: str):
    path = tmp_path / "bad.npz"
    path.write_bytes(make())
    with pytest.raises(InputError, match=reason) as error:
        load_reference(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_oversized_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="cannot be read"):
        load_reference(tmp_path / "none.npz")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, mu=np.zeros((1, 10_000)))
    (tmp_path / "bomb.npz").write_bytes(buffer.getvalue())
    monkeypatch.setattr("evalsuite.reference.LARGEST", 50_000)
    with pytest.raises(InputError, match="unpacks to"):
        load_reference(tmp_path / "bomb.npz")
