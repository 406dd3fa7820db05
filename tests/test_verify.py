from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from PIL import Image

import evalsuite
from backbones.protocol import TextToImage
from evalsuite import RunSpec, cli, machine, scorecard
from evalsuite.digest import canonical, digest
from evalsuite.errors import Incomplete, InputError
from evalsuite.images import encode_png
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.plan import Machine, Unit
from evalsuite.progress import Silent
from evalsuite.records import Picture, pixel_sha256
from evalsuite.verification.repaint import Place, difference, repaint
from evalsuite.verify import Depth, Verification, verify

ALL = Depth(scores=99, images=99)
PROMPTS = [
    {"id": "ball", "text": "a red ball"},
    {"id": "ball-blue", "text": "a blue ball", "base": "ball"},
    {"id": "cat", "text": "a cat"},
]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("original")
    (place / "mine.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in PROMPTS))
    spec = RunSpec(
        models=("tiny_models:conv",),
        prompts=str(place / "mine.jsonl"),
        aspects=("1:1", "3:2"),
        pixels=4096,
        steps=3,
        batch_size=3,
        threads=1,
        device="cpu",
        metrics=("clip_direction@scenes", "fid@scenes", "v_variance"),
        output_dir=str(place / "run"),
    )
    evalsuite.run(spec)
    return place / "run"


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "run")


def results(found: Verification) -> dict[str, str]:
    return {check.name: check.verdict for check in found.checks}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in folder.rglob("*")}


def rewrite_record(folder: Path, job: str, rgb: np.ndarray) -> None:
    """Other pixels for an image, with every hash made to fit: only the network can tell."""
    for path in (folder / "records").iterdir():
        record = json.loads(path.read_text())
        for image in record["images"]:
            if image["job"] == job:
                png, pixels = encode_png(rgb), pixel_sha256(rgb)
                file = f"images/{pixels[:2]}/{pixels}.png"
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_bytes(png)
                image |= {"file": file, "bytes": len(png), "pixel_sha256": pixels}
                image["file_sha256"] = sha256(png).hexdigest()
                del record["sha256"]
                path.write_bytes(canonical(record | {"sha256": digest(record)}))
                return


def first_image(folder: Path) -> tuple[str, Path]:
    image = next(i for card in scorecard.read(folder) for i in card.images)
    return image.id, folder / str(image.file)


def test_a_run_is_what_it_says_and_nothing_in_it_changes(folder: Path):
    before = snapshot(folder)
    found = verify(folder, ALL)
    assert results(found) == dict.fromkeys(
        ("records", "images", "scores.json", "numbers", "scores", "features", "pixels"), "equal"
    )
    counts = {check.name: (check.looked_at, check.total) for check in found.checks}
    assert counts["images"] == counts["scores"] == counts["pixels"] == (6, 6)
    assert all(check.largest in ("", "0") for check in found.checks)
    found.check()
    assert snapshot(folder) == before


def test_a_changed_image_or_record_is_named(folder: Path):
    name, file = first_image(folder)
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    found = verify(folder, Depth(scores=0, images=0))
    assert [(f.check, f.id) for f in found.findings] == [("images", name)]
    assert "its record says" in found.findings[0].what
    file.write_bytes(data[:-1])
    assert f"has {len(data) - 1} bytes" in verify(folder, Depth(scores=0, images=0)).findings[0].what
    file.unlink()
    assert verify(folder, Depth(scores=0, images=0)).findings[0].what.endswith("is not there")
    record = next((folder / "records").iterdir())
    record.write_text(record.read_text().replace('"seconds":', '"seconds":1'))
    assert "records" in {f.check for f in verify(folder, Depth(scores=0, images=0)).findings}


def test_other_pixels_with_fitting_hashes_are_found_by_making_the_image_again(folder: Path):
    name, file = first_image(folder)
    rgb = np.asarray(Image.open(file)).copy()
    rgb[0, 0] ^= 1
    rewrite_record(folder, name, rgb)
    found = verify(folder, Depth(scores=0, images=99))
    assert [(f.check, f.id) for f in found.findings] == [("scores.json", name), ("pixels", name)]
    assert results(found)["images"] == "equal"
    assert "differs by" in found.findings[-1].what


def test_a_number_that_was_altered_is_found(folder: Path):
    cards = scorecard.read(folder)
    metric = cards[0].metrics["clip_direction@scenes"]
    (name, value), *_ = metric.values.items()
    forged = replace(metric, values={**metric.values, name: value + 0.01})
    scorecard.write(folder, [replace(cards[0], metrics={**cards[0].metrics, metric.name: forged})])
    found = verify(folder, ALL)
    assert {(f.check, f.id) for f in found.findings} == {
        ("numbers", f"{name} {metric.name}"),
        ("scores", f"{name} {metric.name}"),
    }
    row = replace(cards[0].metrics["fid@scenes"].rows[0], value=0.0)
    better = replace(cards[0].metrics["fid@scenes"], rows=(row, *cards[0].metrics["fid@scenes"].rows[1:]))
    scorecard.write(folder, [replace(cards[0], metrics={**cards[0].metrics, "fid@scenes": better})])
    faults = verify(folder, Depth(scores=1, images=0)).findings
    assert [f.id for f in faults] == ["tiny_models:conv all value of fid@scenes"]
    (folder / scorecard.NAME).write_text("{}")
    assert results(verify(folder, ALL))["scores.json"] == "1 differ"


def test_features_that_were_altered_are_found(folder: Path):
    path = next((folder / "features").glob("*-images/*.npz"))
    with np.load(path) as file:
        keys, rows = file["keys"], file["rows"]
    buffer = io.BytesIO()
    np.savez(buffer, keys=keys, rows=np.roll(rows, 1, axis=0))
    path.write_bytes(buffer.getvalue())
    found = results(verify(folder, ALL))
    assert (found["features"], found["scores"]) == (f"{len(keys)} differ", "equal")
    assert found["numbers"] != "equal"


def test_images_that_were_never_made_are_counted(folder: Path):
    next((folder / "records").iterdir()).unlink()
    found = verify(folder, Depth(scores=0, images=2))
    assert not found.findings
    assert found.missing == 3
    with pytest.raises(Incomplete, match="3 of 6 images were never made"):
        found.check()


def perturbed(monkeypatch: pytest.MonkeyPatch, levels: int, every: int) -> None:
    """As a machine paints that rounds differently: every so many values are off by some levels."""
    usual = Painter.paint

    def paint(self: Painter, unit: Unit) -> list[Picture]:
        made = usual(self, unit)
        for picture in made:
            assert picture.rgb is not None
            values = picture.rgb.reshape(-1)
            values[::every] = np.where(values[::every] > 127, values[::every] - levels, values[::every] + levels)
        return made

    monkeypatch.setattr(Painter, "paint", paint)


def test_another_kind_of_machine_may_round_differently_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch):
    perturbed(monkeypatch, 1, 50)
    assert results(verify(folder, Depth(scores=0)))["pixels"].endswith("differ")
    monkeypatch.setattr(machine, "describe", lambda device: Machine("cpu of another kind", "9"))
    found = verify(folder, ALL)
    assert results(found)["pixels"] == results(found)["numbers"] == "equal"
    rules = {check.name: check.rule for check in found.checks}
    assert rules["pixels"] == "mean difference <= 1/255 and PSNR >= 50 dB"
    assert rules["numbers"] == "within 0.0001 of the value, or of 1"
    assert results(verify(folder, replace(ALL, scores=0, psnr=90.0)))["pixels"] == "6 differ"
    perturbed(monkeypatch, 40, 2)
    assert results(verify(folder, Depth(scores=0, images=99)))["pixels"] == "6 differ"


def test_the_kernel_and_the_compiler_of_the_run_are_asked_for_on_its_own_kind_of_machine_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, str]] = []
    first = Painter.__init__

    def seen(painter: Painter, model: TextToImage, spec: RunSpec) -> None:
        asked.append((spec.attention, spec.compile))
        first(painter, model, replace(spec, attention="auto", compile="off"))

    monkeypatch.setattr(Painter, "__init__", seen)
    manifest = Manifest.read(folder)
    forced = replace(manifest, spec=replace(manifest.spec, attention="cudnn", compile="on"))
    for same in (True, False):
        list(repaint(forced, manifest.units[:1], Place("cpu", 1, same, ""), Silent()))
    assert asked == [("cudnn", "on"), ("auto", "off")]


def test_the_likeness_of_two_images_in_closed_form():
    black, grey = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 5, np.uint8)
    mean, psnr = difference(black, grey)
    assert mean == 5
    assert psnr == pytest.approx(20 * np.log10(255 / 5))
    assert difference(grey, grey) == (0, float("inf"))
    assert difference(grey, grey[:2])[1] == 0


def test_a_model_of_other_weights_or_a_folder_that_is_none_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tiny_models, "conv", lambda: tiny_models.ConvWorld("other"))
    with pytest.raises(InputError, match="its images cannot be made again with it"):
        verify(folder, Depth(scores=0))
    assert results(verify(folder, Depth(scores=3, images=0)))["pixels"] == "not checked"
    with pytest.raises(InputError, match="is not a run folder"):
        verify(folder.parent, ALL)


def test_which_images_are_drawn_follows_from_the_seed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[str, ...]] = []

    def remember(store: object, sound: object, chosen: list, *_: object) -> object:
        drawn.append(tuple(finished.job.id for finished in chosen))
        raise Incomplete("enough")

    monkeypatch.setattr("evalsuite.verify.check_pixels", remember)
    for seed in (1, 1, 2, 3):
        with pytest.raises(Incomplete, match="enough"):
            verify(folder, Depth(scores=0, images=2, seed=seed))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def command(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_exit_codes_and_json(folder: Path, capsys: pytest.CaptureFixture[str]):
    words = ["verify", str(folder), "--scores", "2", "--images", "1", "--seed", "5", "--quiet"]
    code, out, err = command([*words, "--format", "json"], capsys)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["equal"]
    assert told["seed"] == 5
    assert {check["verdict"] for check in told["checks"]} == {"equal"}
    name, file = first_image(folder)
    file.write_bytes(b"nothing")
    code, out, _ = command(words, capsys)
    assert code == 1
    assert name in out
    code, out, _ = command([*words, "--format", "md"], capsys)
    assert code == 1
    assert "| images |" in out
    for record in (folder / "records").iterdir():
        record.unlink()
    assert command([*words, "--scores", "0"], capsys)[0] == 3
    assert command(["verify", str(folder.parent)], capsys)[0] == 2
