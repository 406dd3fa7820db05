from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite import doctor_cli
from evalsuite.cli import main
from evalsuite.doctor import subject as subjects
from evalsuite.doctor.subject import Asked, subject_of
from evalsuite.progress import Silent
from evalsuite.rows import COLUMNS
from evalsuite.scoring import Scoring

TEXTS = ["a red ball", "a green ball", "a blue ball", "a black ball", "a white cat", "a pink cat", "a red cat", "a dog"]
FILES = {"doctor.csv", "doctor.json", "doctor.md", "doctor.png", "doctor.svg"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of the closed-form world."""
    folder = tmp_path_factory.mktemp("doctor")
    prompts = folder / "balls.jsonl"
    lines = [json.dumps({"id": f"p{number}", "text": text}) + "\n" for number, text in enumerate(TEXTS)]
    prompts.write_text("".join(lines))
    words = ["run", "--model", "toy", "--prompts", str(prompts), "--pixels", "4096", "--aspects", "1:1", "--steps", "3"]
    more = ["--metrics", "fid,clip_score,v_variance", "--threads", "1", "--output-dir", str(folder / "run"), "--quiet"]
    with pytest.raises(SystemExit) as caught:
        main([*words, *more])
    assert caught.value.code == 0
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["doctor", *map(str, words)])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES}


def test_a_run_is_examined_without_a_change_to_it_and_the_repeat_gives_the_same_bytes(
    made: Path, tmp_path: Path, doctor: Callable[..., tuple[int, str, str]]
):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    real = tmp_path / "real"
    real.mkdir()
    for picture in sorted(subjects.PICTURES.glob("1x1-00*.webp")):
        shutil.copy(picture, real / picture.name)
    words = ("--metrics", made, "--output-dir", tmp_path / "out", "--reference", real, "--quiet")
    code, out, err = doctor(*words)
    assert (code, err) == (0, "")
    assert "toy on balls: 8 images, 8 prompts, 8 families" in out
    assert "v_variance is left out: it looks at no image" in out
    assert max(map(len, out.split("sees, or from")[0].splitlines())) <= 100
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {"features", ".lock"}
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    first = bytes_of(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "features")
    code, out, _ = doctor(*words, "--format", "json")
    assert bytes_of(tmp_path / "out") == first
    data = json.loads(out)
    assert (data["images"], data["families"], data["failed"]) == (8, 8, False)
    assert json.loads(first["doctor.json"]) == data

    lines = list(csv.DictReader(io.StringIO(first["doctor.csv"].decode())))
    assert list(lines[0])[: len(COLUMNS)] == list(COLUMNS)
    assert {line["metric"] for line in lines} == {"fid@scenes", "clip_score@scenes"}
    fid = [line for line in lines if line["metric"] == "fid@scenes"]
    assert [line["intervention"] for line in fid[:3]] == ["none", "real images", "grey"]
    for line in lines:
        if line["difference"] and line["n"] == "8":
            own = next(o for o in lines if o["metric"] == line["metric"] and o["intervention"] == "none")
            assert float(line["value"]) - float(own["value"]) == pytest.approx(float(line["difference"]), abs=1e-9)
    report = first["doctor.md"].decode()
    assert report.startswith("# What each metric can see\n\n### toy on balls: 8 images")
    assert "doctor.svg" in report
    with Image.open(tmp_path / "out" / "doctor.png") as image:
        assert image.width > 1500
    assert first["doctor.svg"].startswith(b"<?xml")


def test_images_from_elsewhere_are_examined_with_their_prompts(
    tmp_path: Path, doctor: Callable[..., tuple[int, str, str]], prompt_file: Callable[..., str]
):
    folder = tmp_path / "theirs"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        fine = random.integers(80, 180, (48, 64, 1), np.uint8).repeat(3, axis=2)
        Image.fromarray(fine).save(folder / f"p{number:03}.png")
    words = ("--metrics", folder, "--prompts", prompt_file(10), "--only", "seeing:SHARPNESS", "--quiet")
    code, out, _ = doctor(*words, "--format", "csv", "--max-images", "7")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert {line["metric"] for line in lines} == {"sharpness@test"}
    assert lines[0]["n"] == "7"
    report = (next((tmp_path / "outputs").glob("doctor-theirs-*")) / "doctor.md").read_text()
    assert "7 of 8 images are looked at" in report
    assert "2 of 10 images are missing or corrupt" in report
    code, out, _ = doctor("--metrics", folder, "--only", "seeing:BLURRINESS", "--quiet")
    assert code == 1
    assert "FAILS: blurriness@test on blur: it finds them better" in out
    assert "WRONG WAY" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "to check metrics: evalsuite doctor --metrics nowhere"),
        (["--metrics", "nowhere"], "nowhere: no such run folder or file"),
        (["--metrics", "--prompts", "smoke"], "name it, as in `evalsuite doctor --metrics DIR`"),
        (["--metrics", "RUN", "--prompts", "smoke"], "leave out --prompts"),
        (["--metrics", "RUN:other"], "has no model 'other'; it has toy"),
        (["--metrics", "RUN", "--only", "nonsense"], "no metric 'nonsense'"),
        (["--metrics", "RUN", "--only", "v_variance"], "no metric that looks at images"),
        (["--metrics", "RUN", "--output-dir", "RUN"], "choose another --output-dir"),
        (["--metrics", "RUN/run.json"], "is no folder: name a run folder"),
        (["--metrics", "RUN", "--max-images", "1"], "max-images"),
        (["--metrics", "RUN", "--device", "cuda:77"], "--device cpu"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    words: Sequence[str], said: str, made: Path, tmp_path: Path, doctor: Callable[..., tuple[int, str, str]]
):
    code, out, err = doctor(*(word.replace("RUN", str(made)) for word in words), "--quiet")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_metrics_this_machine_is_checked(doctor: Callable[..., tuple[int, str, str]], tmp_path: Path):
    code, out, _ = doctor()
    assert code == 0, out
    assert "bundled weights" in out
    lines = list(csv.DictReader(io.StringIO(doctor("--format", "csv")[1])))
    assert {line["name"] for line in lines} >= {"python", "packages", "cpu", "run folders", "published weights"}
    missing = tmp_path / "no.pt"
    code, out, _ = doctor("--weights", f"hps@v2.1={missing}", "--format", "json")
    assert code == 1
    assert [c["name"] for c in json.loads(out)["checks"] if c["status"] == "fail"] == ["weights hps@v2.1"]
    assert list(tmp_path.iterdir()) == []


def test_the_real_images_of_the_package_are_split_into_images_and_reference():
    found = subject_of(Asked(), Silent())
    own, others = {s.id for s in found.images.samples}, {s.id for s in found.others}
    assert (len(own), len(others), own & others) == (100, 200, set())
    assert {s.aspect for s in found.images.samples} == {"1:1", "3:2", "2:3", "16:9", "9:16"}
    assert found.real
    assert all(s.text in found.pool for s in found.images.samples)
    assert all(metric.endswith("@scenes") for metric in found.spec.metrics)
    compared = subject_of(Asked(scoring=Scoring(reference=str(subjects.PICTURES))), Silent())
    assert (len(compared.images.samples), compared.others) == (200, ())


def test_families_stay_whole_where_there_are_too_many_images(made: Path):
    found = subject_of(Asked(source=str(made), images=4), Silent())
    assert [s.prompt_id for s in found.images.samples] == ["p0", "p2", "p4", "p6"]
    assert "4 of 8 images are looked at" in found.notes[0]


def test_the_command_line_says_the_default_that_is_used():
    assert doctor_cli.IMAGES == subjects.IMAGES
