from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evalsuite import stats_build
from evalsuite.errors import Incomplete, InputError
from evalsuite.image_sources import Item
from evalsuite.moments import moments
from evalsuite.progress import Silent
from evalsuite.reference import ANY, Reference, load_reference
from evalsuite.stats_build import build_from
from evalsuite.stats_cli import stats

HERE = ("--device", "cpu", "--threads", 1)
SIZES = ((8, 8), (12, 8), (8, 12))  # width, height


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


class Blocks:
    """An encoder without weights: mean colours of the four quarters; it notes the batches it is given."""

    id, fingerprint, preprocessing, width = "blocks", "b" * 64, "mean colours of quarters", 12

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def images(self, images: torch.Tensor) -> np.ndarray:
        assert images.dtype == torch.uint8
        self.shapes.append(tuple(images.shape))
        return torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1).numpy()


def pictures(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Name, sorted, to pixels; sizes mixed."""
    random = np.random.default_rng(seed)
    sizes = [SIZES[i % 3] for i in range(n)]
    return {f"{i:03}.png": random.integers(0, 256, (h, w, 3), dtype=np.uint8) for i, (w, h) in enumerate(sizes)}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path, images: dict[str, np.ndarray]) -> Path:
    for name, pixels in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels))
    return folder


def pack(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def rows_of(images: Iterable[np.ndarray]) -> np.ndarray:
    encoder = Blocks()
    return np.concatenate([encoder.images(torch.from_numpy(image[None]).permute(0, 3, 1, 2)) for image in images])


def assert_moments_of(reference: Reference, aspect: str, images: Iterable[np.ndarray]) -> None:
    want = moments(rows_of(images))
    np.testing.assert_allclose(reference.aspects[aspect].mean, want.mean, rtol=1e-12)
    np.testing.assert_allclose(reference.aspects[aspect].covariance, want.covariance, atol=1e-14)
    assert reference.aspects[aspect].n == want.n


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """In place of every network, through the command's own loader."""
    blocks = Blocks()
    monkeypatch.setattr("evalsuite.encoders.scorer.load_encoder", lambda name, device="cpu", given=(): blocks)
    return blocks


def command(*arguments: object) -> None:
    stats([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize("kind", ["folder", "zip", "stored zip", "npz", "packed npz"])
def test_build_gives_the_moments_of_all_images(
    encoder: Blocks, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
):
    images, out = pictures(70), tmp_path / "out.npz"
    if "npz" in kind:
        images = {name: pixels for name, pixels in images.items() if pixels.shape == (8, 8, 3)}
        save = np.savez_compressed if "packed" in kind else np.savez
        source = tmp_path / "adm.npz"
        save(source, arr_0=np.stack(list(images.values())), mu=np.zeros(3))
    elif "zip" in kind:
        how = zipfile.ZIP_STORED if "stored" in kind else zipfile.ZIP_DEFLATED
        source = pack(tmp_path / "images.zip", {f"deep/{name}": png(pixels) for name, pixels in images.items()}, how)
    else:
        source = fill(tmp_path / "images", {f"{name[0]}/{name}": pixels for name, pixels in images.items()})
    command("build", source, out, "--extractor", "blocks", "--features", 10, *HERE, "--quiet")
    assert capsys.readouterr().out == f"{out}\n"
    found = load_reference(out)
    assert_moments_of(found, ANY, images.values())
    assert (found.extractor, found.fingerprint, found.preprocessing) == (
        encoder.id,
        encoder.fingerprint,
        encoder.preprocessing,
    )
    every = {row.tobytes() for row in rows_of(images.values())}
    assert len(found.features[ANY]) == 10
    assert {row.tobytes() for row in found.features[ANY]} <= every


def test_ratios_have_moments_of_their_own_when_asked_for(encoder: Blocks, tmp_path: Path):
    images = pictures(40) | {"alone.png": np.zeros((8, 64, 3), np.uint8)}
    source, out = fill(tmp_path / "images", images), tmp_path / "out.npz"
    command("build", source, out, "--extractor", "blocks", "--aspects", "by-image", *HERE)
    found = load_reference(out)
    assert sorted(found.aspects) == ["1:1", "2:3", "3:2", ANY]  # one image of 8:1 has no covariance
    for aspect, shape in (("1:1", (8, 8, 3)), ("3:2", (8, 12, 3)), ("2:3", (12, 8, 3))):
        assert_moments_of(found, aspect, [pixels for pixels in images.values() if pixels.shape == shape])
    assert_moments_of(found, ANY, images.values())
    assert {aspect: len(rows) for aspect, rows in found.features.items()} == {"1:1": 14, "2:3": 13, "3:2": 13, ANY: 41}


def items(images: dict[str, np.ndarray]) -> list[Item]:
    return [Item(name, pixels) for name, pixels in images.items()]


def test_images_are_encoded_with_others_of_their_size_in_full_batches(monkeypatch: pytest.MonkeyPatch):
    encoder, images = Blocks(), pictures(100)
    whole = build_from(items(images), encoder, keep=30).reference
    assert sorted(shape[0] for shape in encoder.shapes) == [1, 1, 2, 32, 32, 32]
    monkeypatch.setattr(stats_build, "WAITING", 2000)  # bytes: only some images at a time
    monkeypatch.setattr(stats_build, "SUMMED", 7)
    small = Blocks()
    again = build_from(items(images), small, keep=30).reference
    assert max(shape[0] for shape in small.shapes) < 10
    assert whole is not None
    assert again is not None
    np.testing.assert_allclose(again.aspects[ANY].covariance, whole.aspects[ANY].covariance, atol=1e-15)
    np.testing.assert_array_equal(
        again.features[ANY], whole.features[ANY]
    )  # which rows are kept is no matter of batches


def test_every_image_has_the_same_chance_to_be_kept():
    images = {f"{i}": np.full((2, 2, 3), i, np.uint8) for i in range(200)}
    found = build_from(items(images), Blocks(), keep=50).reference
    assert found is not None
    kept = np.rint(255 * found.features[ANY][:, 0])
    assert len(set(kept)) == 50
    assert abs(kept.mean() - 99.5) < 3 * 57.7 / np.sqrt(50)  # of a uniform draw without order
    assert sorted(kept) != list(kept)


def test_corrupt_images_are_listed_counted_and_end_the_command(
    encoder: Blocks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    images, out = pictures(9), tmp_path / "out.npz"
    source = fill(tmp_path / "images", images)
    (source / "001a.png").write_bytes(png(images["000.png"])[:50])
    (source / "005a.jpg").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"2 of 11 images are corrupt, such as 001a\.png: .*--skip-corrupt"):
        command("build", source, out, "--extractor", "blocks", *HERE)
    said = capsys.readouterr().err
    assert "corrupt: 001a.png: damaged" in said
    assert "corrupt: 005a.jpg: not a PNG, JPEG or WebP image" in said
    assert not out.exists()
    assert encoder.shapes == []  # nothing was encoded for nothing
    command("build", source, out, "--extractor", "blocks", "--skip-corrupt", *HERE)
    said = capsys.readouterr().err
    assert "2 of 11 images are corrupt, left out" in said
    assert_moments_of(load_reference(out), ANY, images.values())


def arrays(path: Path, **given: np.ndarray) -> Path:
    np.savez(path, **given)
    return path


def test_too_few_images_or_too_many_ratios_are_refused(encoder: Blocks, tmp_path: Path):
    one = fill(tmp_path / "one", pictures(1))
    with pytest.raises(InputError, match="needs at least 2 images"):
        command("build", one, tmp_path / "out.npz", "--extractor", "blocks", *HERE, "--quiet")
    many = {f"{i}": np.zeros((2, 2 * i, 3), np.uint8) for i in range(1, 11)}
    with pytest.raises(InputError, match="more than 8 aspect ratios: use --aspects any"):
        build_from(items(many), Blocks(), by_aspect=True)
    with pytest.raises(InputError, match=r"end it in \.npz"):
        command("build", one, tmp_path / "out.txt", "--extractor", "blocks")


def test_a_disk_that_refuses_ends_with_what_to_do(encoder: Blocks, tmp_path: Path):
    source = fill(tmp_path / "images", pictures(6))
    (tmp_path / "file").touch()
    with pytest.raises(Incomplete, match="cannot write"):
        stats_build.build(source, tmp_path / "file" / "out.npz", encoder, progress=Silent())


def test_show_tells_what_ours_and_theirs_hold(encoder: Blocks, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, out = fill(tmp_path / "images", pictures(9)), tmp_path / "out.npz"
    command("build", source, out, "--extractor", "blocks", *HERE, "--quiet")
    theirs = arrays(tmp_path / "theirs.npz", mu=np.array([3.0, 4.0]), sigma=np.diag([1.0, 2.0]))
    capsys.readouterr()
    command("show", out)
    ours = capsys.readouterr().out.split()
    found = load_reference(out)
    for word in ("blocks", encoder.fingerprint[:20], "quarters", f"{found.aspects[ANY].trace:.6g}", ANY, "12"):
        assert any(word in part for part in ours), word
    command("show", theirs)
    said = capsys.readouterr().out
    for words in ("moments", "not said by the file", "unknown", "trace             3", "norm of the mean  5"):
        assert words in said
    command("show", arrays(tmp_path / "adm.npz", arr_0=np.zeros((5, 2, 2, 3), np.uint8)))
    said = capsys.readouterr().out
    assert "images  5" in said
    assert "evalsuite stats build" in said
    for name in ("x.pkl", "none.npz"):
        with pytest.raises(InputError):
            command("show", tmp_path / name)


def test_convert_marks_what_it_writes_as_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    theirs, out = arrays(tmp_path / "theirs.npz", mu=np.zeros(2), sigma=np.eye(2)), tmp_path / "out.npz"

    def load(name: str, device: str = "cpu", given: Iterable[str] = ()) -> Blocks:
        raise InputError("weights inception-fid are not here")

    monkeypatch.setattr("evalsuite.encoders.scorer.load_encoder", load)
    command("convert", theirs, out, "--extractor", "inception-tf1", "--rule", "TF1 bilinear", "--n", 50_000)
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert "only its name is recorded: weights inception-fid are not here" in shown.err
    found = load_reference(out)
    assert (found.extractor, found.fingerprint, found.claimed, found.aspects[ANY].n) == (
        "inception-tf1",
        "",
        True,
        50_000,
    )
    with pytest.raises(InputError, match="no scorer 'incepton-tf1': did you mean 'inception-tf1'"):
        command("convert", theirs, out, "--extractor", "incepton-tf1")
    monkeypatch.setattr("evalsuite.encoders.scorer.load_encoder", lambda *_: Blocks())
    command("convert", theirs, out, "--extractor", "inception-tf1")
    assert (load_reference(out).fingerprint, load_reference(out).extractor) == (Blocks.fingerprint, "blocks")
