from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsuite.errors import InputError
from evalsuite.reference import ANY, BUNDLED, Moments, Reference, build_reference, load_reference, moments

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


def test_the_same_shares_share_what_is_computed_from_them(built: Reference):
    assert built.mixture({"1:1": 3, "3:2": 1}) is built.mixture({"3:2": 5, "1:1": 15, "9:16": 0})
    assert built.mixture({"1:1": 7}) is built.aspects["1:1"]
    assert built.mixture({"1:1": 3, "3:2": 1}) is not built.mixture({"1:1": 1, "3:2": 1})


def test_any_stands_in_where_a_ratio_is_lacking(tmp_path: Path):
    features = {ANY: rows(30), "1:1": rows(9, seed=1)}
    built = build_reference(tmp_path / "r.npz", features, **WORDS, keep=100)
    assert built.mixture({"21:9": 3, "4:3": 1}) is built.aspects[ANY]
    assert built.mixture({"1:1": 3, "4:3": 1}) is built.aspects[ANY]
    assert built.mixture({"1:1": 3}) is built.aspects["1:1"]
    assert built.missing(["1:1", "4:3"]) == []
    np.testing.assert_array_equal(built.rows({"4:3": 2}), built.features[ANY])


def test_a_mixture_with_a_part_of_unknown_number_has_an_unknown_number(built: Reference):
    a, b = built.aspects.values()
    words = (built.extractor, built.fingerprint, built.preprocessing, "")
    assert built.mixture({"1:1": 1, "3:2": 1}).n == 29
    unknown = Moments(b.mean, b.covariance, 0)
    assert Reference({"1:1": a, "3:2": unknown}, *words).mixture({"1:1": 1, "3:2": 1}).n == 0
    assert unknown.rank == 4


def test_kept_rows_are_a_random_part_of_the_features_and_the_same_each_time(tmp_path: Path):
    features = {"1:1": np.arange(200, dtype=np.float32).reshape(100, 2) ** 2}
    built = build_reference(tmp_path / "r.npz", features, **WORDS, keep=30)
    again = build_reference(tmp_path / "again.npz", features, **WORDS, keep=30)
    kept = built.features["1:1"]
    assert kept.dtype == np.float32
    assert len(kept) == 30
    assert {tuple(row) for row in kept} < {tuple(row) for row in features["1:1"]}
    assert sorted(kept[:, 0]) != list(kept[:, 0])
    assert again.sha256 == built.sha256
    assert built.aspects["1:1"].n == 100


def test_rows_have_the_images_shares_of_ratios(tmp_path: Path):
    features = {"1:1": np.zeros((40, 2)) + rows(40, 2) / 99, "3:2": np.ones((10, 2)) + rows(10, 2) / 99}
    built = build_reference(tmp_path / "r.npz", features, **WORDS, keep=100)
    shares = {(1, 1): (10, 10), (3, 1): (30, 10), (4, 1): (40, 10), (1, 3): (3, 10), (9, 0): (40, 0), (0, 1): (0, 10)}
    for (square, wide), want in shares.items():
        found = built.rows({"1:1": square, "3:2": wide})
        assert (int((found < 0.5).all(1).sum()), int((found > 0.5).all(1).sum())) == want
    assert built.rows({"9:16": 1}) is None
    assert built.rows({"1:1": 3, "3:2": 1}) is built.rows({"1:1": 6, "3:2": 2})
    with pytest.raises(ValueError, match="read-only"):
        built.rows({"1:1": 1})[0] = 0


def test_without_kept_rows_there_are_none(built: Reference):
    assert built.features == {}
    assert built.rows({"1:1": 1}) is None
    assert built.missing({"1:1": 2, "9:16": 1, "21:9": 1}) == ["21:9", "9:16"]


def test_an_encoder_is_known_by_its_fingerprint_and_a_claim_by_its_name(built: Reference):
    assert built.made_by("whatever", "f" * 64)
    assert not built.made_by("scenes", "e" * 64)
    unknown = Reference(built.aspects, "scenes", "", "claimed", "", claimed=True)
    assert unknown.made_by("scenes", "e" * 64)
    assert not unknown.made_by("inception-tf1", "e" * 64)
    assert not Reference(built.aspects, "scenes", "", "", "").made_by("scenes", "e" * 64)


def test_the_bundled_file_is_read():
    found = load_reference()
    assert found.sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert {aspect: (len(m.mean), m.n) for aspect, m in found.aspects.items()} == dict.fromkeys(
        ("16:9", "1:1", "2:3", "3:2", "9:16"), (128, 1000)
    )
    assert (found.extractor, found.features, found.claimed) == ("scenes", {}, False)


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
    (lambda: altered(extractor=np.array(["a", "b"])), "extractor is not one value"),
    (lambda: altered(extractor=np.array(3)), "extractor is not one value"),
    (lambda: altered(extractor=np.array("a" * 20_000)), "extractor is not one value"),
    (lambda: altered(mu=np.zeros((1, 4), int)), "must be floats"),
    (
        lambda: altered(mu=np.zeros((0, 4)), sigma=np.zeros((0, 4, 4)), n=np.zeros(0, int), aspects=np.zeros(0, "U1")),
        "fit",
    ),
    (lambda: altered(mu=np.zeros((1, 0)), sigma=np.zeros((1, 0, 0))), "a mean of shape"),
    (lambda: altered(n=np.array([-3])), "whole numbers"),
    (lambda: altered(claimed=np.array([True])), "claimed is not one value"),
    (lambda: altered(features_0=rows(5).astype(float)), "not float32 rows of 4"),
    (lambda: altered(features_0=rows(5, 3)), "not float32 rows of 4"),
    (lambda: altered(features_0=np.full((2, 4), np.inf, np.float32)), "not finite"),
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
    wide = altered(mu=np.zeros((1, 200)), sigma=np.zeros((1, 200, 200)))
    (tmp_path / "wide.npz").write_bytes(wide)
    assert load_reference(tmp_path / "wide.npz").aspects["1:1"].trace == 0
    monkeypatch.setattr("evalsuite.reference_file.LARGEST", 300_000)
    with pytest.raises(InputError, match="unpacks to more than 300000 bytes"):
        load_reference(tmp_path / "wide.npz")


@pytest.mark.parametrize(("smallest", "accepted"), [(-0.9e-6, True), (-1.1e-6, False)])
def test_eigenvalues_below_zero_are_forgiven_up_to_a_millionth_of_the_trace(
    tmp_path: Path, smallest: float, accepted: bool
):
    turn = np.linalg.qr(rows(4).astype(float))[0]
    sigma = (turn * [smallest, 0.2, 0.3, 0.5]) @ turn.T
    (tmp_path / "r.npz").write_bytes(altered(sigma=((sigma + sigma.T) / 2)[None]))
    if accepted:
        assert load_reference(tmp_path / "r.npz").aspects["1:1"].trace == pytest.approx(1, rel=1e-5)
    else:
        with pytest.raises(InputError, match="negative eigenvalue"):
            load_reference(tmp_path / "r.npz")
