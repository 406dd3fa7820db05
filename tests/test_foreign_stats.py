from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from evalsuite.errors import InputError
from evalsuite.foreign_stats import convert, read_foreign
from evalsuite.reference import ANY, load_reference


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def rows(n: int = 40, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


MU, SIGMA = rows().mean(0), np.cov(rows().T)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(**arrays: Any) -> Path:
        np.savez(tmp_path / "theirs.npz", **arrays)
        return tmp_path / "theirs.npz"

    return write


FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "pytorch-fid, clean-fid, EDM": ({"mu": MU, "sigma": SIGMA}, "moments"),
    "ADM": (
        {
            "mu": MU,
            "sigma": SIGMA,
            "mu_s": np.ones(3),
            "sigma_s": np.eye(3),
            "arr_0": np.zeros((2, 4, 4, 3), np.uint8),
        },
        "ADM moments",
    ),
    "clean-fid KID": ({"feats": rows()}, "clean-fid features"),
    "dgm-eval": (
        {"reps": rows(), "model": "inception", "hparams": np.array({"x": 1}, dtype=object)},
        "dgm-eval features",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_moments_that_it_holds(save: Callable[..., Path], name: str):
    arrays, said = FORMATS[name]
    found = read_foreign(save(**arrays))
    assert found.format == said
    np.testing.assert_allclose(found.moments.mean, MU, rtol=1e-12)
    np.testing.assert_allclose(found.moments.covariance, SIGMA, atol=1e-14)
    with_rows = "feats" in arrays or "reps" in arrays
    assert found.moments.n == (40 if with_rows else 0)
    assert (found.features is not None) is with_rows


def test_a_file_of_several_parts_needs_one_to_be_chosen(save: Callable[..., Path]):
    arrays = {"fid/mu": MU, "fid/sigma": SIGMA, "fd_dinov2.mu": MU + 1, "fd_dinov2.sigma": SIGMA}
    path = save(**arrays)
    assert read_foreign(path, "fd_dinov2").moments.mean == pytest.approx(MU + 1)
    assert read_foreign(path, "fid").format == "fid moments"
    with pytest.raises(InputError, match="choose one with --part: it has 'fd_dinov2', 'fid'"):
        read_foreign(path)
    with pytest.raises(InputError, match="no part 'kid': it has 'fd_dinov2', 'fid'"):
        read_foreign(path, "kid")


def test_files_that_pytorch_fid_and_clean_fid_write_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By their own commands' functions, with given features in place of a network's."""
    import cleanfid.fid
    from pytorch_fid import fid_score

    class Network:
        BLOCK_INDEX_BY_DIM: ClassVar[dict[int, int]] = {6: 0}

        def __init__(self, blocks: list[int]) -> None:
            """No weights."""

        def to(self, device: str) -> None:
            """Nowhere."""

    monkeypatch.setattr(fid_score, "InceptionV3", Network)
    monkeypatch.setattr(fid_score, "compute_statistics_of_path", lambda *_: (MU, SIGMA))
    fid_score.save_fid_stats([str(tmp_path), str(tmp_path / "pytorch.npz")], 8, "cpu", 6)
    monkeypatch.setattr(cleanfid, "__file__", str(tmp_path / "cleanfid" / "__init__.py"))
    monkeypatch.setattr(cleanfid.fid, "build_feature_extractor", lambda *_: None)
    monkeypatch.setattr(cleanfid.fid, "get_folder_features", lambda *_, **__: rows())
    cleanfid.fid.make_custom_stats("mine", "images", device="cpu")
    clean = tmp_path / "cleanfid" / "stats"
    for path in (tmp_path / "pytorch.npz", clean / "mine_clean_custom_na.npz", clean / "mine_clean_custom_na_kid.npz"):
        np.testing.assert_allclose(read_foreign(path).moments.covariance, SIGMA, atol=1e-14)


def test_a_conversion_says_that_its_extractor_is_claimed(save: Callable[..., Path], tmp_path: Path):
    path = save(mu=MU.astype(np.float32), sigma=SIGMA.astype(np.float32))
    made = convert(
        path,
        tmp_path / "ours.npz",
        "inception-tf1",
        rule="TF1 bilinear",
        weights_sha256="ab" * 32,
        n=50_000,
    )
    assert (made.extractor, made.fingerprint, made.claimed) == ("inception-tf1", "", True)
    assert made.preprocessing == (
        f"claimed: TF1 bilinear; weights sha256 {'ab' * 32}; from moments, sha256 {read_foreign(path).sha256}"
    )
    assert made.aspects[ANY].n == 50_000
    assert made.mixture({"16:9": 3}) is made.aspects[ANY]
    assert made.made_by("inception-tf1", "anything")
    assert not made.made_by("inception-clean", "anything")
    assert load_reference(tmp_path / "ours.npz").claimed


def test_a_conversion_keeps_rows_where_there_are_some(save: Callable[..., Path], tmp_path: Path):
    made = convert(save(feats=rows()), tmp_path / "ours.npz", "inception-clean", fingerprint="f" * 64, keep=25)
    assert made.rows({"1:1": 1}).shape == (25, 6)
    assert made.aspects[ANY].n == 40
    assert made.made_by("inception-clean", "f" * 64)
    assert not made.made_by("inception-clean", "e" * 64)
    for n, reason in ((30, "has features of 40 images, not 30"), (1, "at least 2 images"), (-2, "at least 2 images")):
        with pytest.raises(InputError, match=reason):
            convert(save(feats=rows()), tmp_path / "no.npz", "inception-clean", n=n)
    assert not (tmp_path / "no.npz").exists()


def test_sigmas_halves_that_were_rounded_apart_are_averaged(save: Callable[..., Path]):
    noise = 1e-9 * np.triu(np.ones((6, 6)), 1)
    found = read_foreign(save(mu=MU, sigma=SIGMA + noise)).moments.covariance
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, SIGMA, atol=1e-9)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"arr_0": np.zeros((2, 4, 4, 3), np.uint8)}, "it holds images, not statistics: use `evalsuite stats build`"),
    ({"mu": MU}, "no mu and sigma, feats or reps in it, but mu"),
    ({"weights": MU}, "but weights"),
    ({"mu": MU, "sigma": SIGMA[:5]}, "a mean of shape"),
    ({"mu": MU[None], "sigma": SIGMA}, "a mean of shape"),
    ({"mu": MU, "sigma": np.full_like(SIGMA, np.nan)}, "not finite"),
    ({"mu": MU, "sigma": SIGMA + np.triu(np.ones((6, 6)))}, "not symmetric"),
    ({"mu": MU, "sigma": -SIGMA}, "negative eigenvalue"),
    ({"mu": MU.astype(int), "sigma": SIGMA}, "mu is int64, not floats"),
    ({"mu": np.array([{}], dtype=object), "sigma": SIGMA}, "mu: .*object"),
    ({"feats": rows()[0]}, "not finite rows"),
    ({"feats": rows(1)}, "n >= 2"),
    ({"reps": np.full((3, 2), np.inf)}, "not finite rows"),
]


@pytest.mark.parametrize(("arrays", "reason"), BAD)
def test_what_is_no_statistics_is_refused_in_one_line(save: Callable[..., Path], arrays: dict[str, Any], reason: str):
    path = save(**arrays)
    with pytest.raises(InputError, match=reason) as error:
        read_foreign(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_our_own_files_are_not_foreign(save: Callable[..., Path], tmp_path: Path):
    convert(save(mu=MU, sigma=SIGMA), tmp_path / "ours.npz", "inception-tf1")
    with pytest.raises(InputError, match="a reference file of evalsuite already"):
        read_foreign(tmp_path / "ours.npz")


@pytest.mark.parametrize("name", ["edm2.pkl", "stats.PT", "x.pickle", "hidden.npz"])
def test_pickles_are_never_read(tmp_path: Path, name: str):
    class Canary:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (Path.touch, (tmp_path / "canary",))

    (tmp_path / name).write_bytes(pickle.dumps({"fid": Canary()}))
    with pytest.raises(InputError, match="which can run code" if name != "hidden.npz" else "no reference statistics"):
        read_foreign(tmp_path / name)
    assert not (tmp_path / "canary").exists()


def test_a_missing_file_is_said_to_be(tmp_path: Path):
    with pytest.raises(InputError, match="No such file"):
        read_foreign(tmp_path / "none.npz")
