from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite import scorecard
from evalsuite.cli import main
from evalsuite.encoders.scorer import load_encoder
from evalsuite.errors import InputError
from evalsuite.reference import build_reference

ENTRIES = [
    {"id": "cat", "text": "a cat on a white background", "tags": ["animals"]},
    {"id": "cat-red", "text": "a red cat on a white background", "base": "cat", "tags": ["animals"]},
    {"id": "car", "text": "a car on a blue background"},
]
METRICS = "hps@scenes,clip_score@scenes,clip_direction@scenes"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """A machine without published weights."""
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def draw(path: Path, seed: int, size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize(size).save(path)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    for number, entry in enumerate(ENTRIES):
        draw(tmp_path / "made" / "square" / f"{entry['id']}.png", number)
        draw(tmp_path / "made" / "wide" / f"{entry['id']}.webp", number, (96, 54))
    return tmp_path / "made"


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in ("score", *words)])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


def rows_of(out: str) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["metric"], row["slice"]): row for row in json.loads(out)["rows"]}


def test_a_folder_made_elsewhere_is_scored_by_ratio_and_tag(
    made: Path, evaluate: Callable[..., tuple[int, str, str]], prompt_file: Callable[..., str], tmp_path: Path
):
    words = (made, "--prompts", prompt_file(ENTRIES), "--metrics", METRICS, "--output-dir", tmp_path / "out")
    code, out, _ = evaluate(*words, "--name", "theirs", "--format", "json")
    assert code == 0
    rows = rows_of(out)
    assert {row["model"] for row in rows.values()} == {"theirs"}
    assert rows["hps@scenes", "all"]["n"] == 6
    assert rows["hps@scenes", "aspect=16:9"]["n"] == rows["hps@scenes", "aspect=1:1"]["n"] == 3
    assert rows["clip_score@scenes", "tag=animals"]["n"] == 4
    assert rows["clip_direction@scenes", "all"]["n"] == 2
    (card,) = scorecard.read(tmp_path / "out")
    assert (card.model, card.planned, card.scored) == ("theirs", 6, 6)
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {(line["width"], line["height"]) for line in lines} == {("64", "64"), ("96", "54")}
    again = evaluate(*words, "--name", "theirs", "--format", "json")
    assert again[1] == out


def test_what_is_missing_corrupt_or_strange_is_listed_and_counted(
    made: Path, evaluate: Callable[..., tuple[int, str, str]], prompt_file: Callable[..., str]
):
    (made / "square" / "car.png").unlink()
    (made / "wide" / "cat.webp").write_bytes(b"no image")
    draw(made / "other.png", 9)
    code, out, err = evaluate(made, "--prompts", prompt_file(ENTRIES), "--metrics", METRICS, "--output-dir", "out")
    assert code == 3
    assert "2 of 6 images are missing or corrupt" in err
    assert "1 of 6 images are missing: car 0" in " ".join(out.split())
    assert "1 of 6 images are corrupt: cat 0 (not a PNG, JPEG or WebP image)" in " ".join(out.split())
    assert "1 files match no prompt and are left out: other.png" in " ".join(out.split())
    with Path("out", "scores.csv").open(newline="") as file:
        statuses = sorted(line["status"] for line in csv.DictReader(file))
    assert statuses == ["corrupt", "missing", "ok", "ok", "ok", "ok"]
    assert json.loads(Path("out", "results.json").read_text())["rows"][0]["note"]


def test_distances_need_no_prompts_but_real_images(
    made: Path, evaluate: Callable[..., tuple[int, str, str]], tmp_path: Path
):
    for number in range(12):
        draw(tmp_path / "real" / f"{number}.png", 100 + number)
    metrics = "fid@scenes,kid@scenes,cmmd@scenes"
    code, out, _ = evaluate(made, "--reference", "real", "--metrics", metrics, "--format", "json")
    assert code == 0
    rows = rows_of(out)
    assert rows["fid@scenes", "all"]["n"] == 6
    assert float(str(rows["fid@scenes", "all"]["value"])) > 0
    code, out, _ = evaluate("real", "--reference", "real", "--metrics", metrics, "--format", "json")
    assert float(str(rows_of(out)["fid@scenes", "all"]["value"])) == pytest.approx(0, abs=1e-9)
    assert evaluate(made, "--metrics", metrics)[0] == 2


def test_a_reference_says_which_network_compares_and_others_are_refused(
    made: Path, evaluate: Callable[..., tuple[int, str, str]], tmp_path: Path
):
    encoder = load_encoder("scenes")
    rows = np.random.default_rng(0).standard_normal((20, encoder.width)).astype(np.float32)
    own = {"extractor": "scenes", "preprocessing": encoder.preprocessing}
    build_reference(tmp_path / "r.npz", {"any": rows}, fingerprint=encoder.fingerprint, keep=20, **own)
    code, out, _ = evaluate(made, "--reference", "r.npz", "--format", "json")
    assert code == 0
    assert {name for name, _ in rows_of(out)} >= {"fid@scenes", "kid@scenes"}
    build_reference(tmp_path / "r.npz", {"any": rows}, fingerprint="e" * 64, **own)
    code, _, err = evaluate(made, "--reference", "r.npz", "--metrics", "fid")
    assert (code, len(err.splitlines()[-1:])) == (2, 1)
    assert "make it again with `evalsuite stats build`" in err
    code, _, err = evaluate(made, "--reference", "r.npz", "--metrics", "kid@inception-tf1")
    assert code == 2
    assert "weights inception-fid are not here" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["made", "--prompts", "smoke"], "fetch them with `evalsuite weights fetch hps@v2.1`"),
        (["made", "--prompts", "smoke"], "or say --metrics hps@scenes,clip_score@scenes"),
        (["made"], "nothing to score against: name --prompts FILE, --reference DIR, or both"),
        (["made", "--prompts", "smoke", "--metrics", "fid@scenes"], "name them with --reference DIR or FILE.npz"),
        (["made", "--metrics", "hps@scenes"], "name the prompts with --prompts FILE"),
        (["made", "--prompts", "smoke", "--metrics", "hps@scenes"], "no image is named after a prompt"),
        (["made", "--protocol", "hpdv3"], "use hpdv2"),
        (["made", "--prompts", "smoke", "--num-images", "0"], "use a whole number from 1"),
        (["made", "--prompts", "smoke", "--threads", "0"], "threads is 0"),
        (["nowhere"], "is not there: name a run folder, or a folder of images"),
    ],
)
def test_what_cannot_be_scored_is_told_in_one_line_and_nothing_is_written(
    words: list[str], reason: str, made: Path, evaluate: Callable[..., tuple[int, str, str]]
):
    code, out, err = evaluate(*words, "--quiet")
    assert (code, out) == (2, "")
    assert reason in err
    assert len(err.splitlines()) == 1
    assert not Path("outputs").exists()


def test_hpdv2_is_scored_by_its_own_protocol(evaluate: Callable[..., tuple[int, str, str]], tmp_path: Path):
    for style in ("anime", "concept-art", "paintings", "photo"):
        (tmp_path / "prompts").mkdir(exist_ok=True)
        (tmp_path / "prompts" / f"{style}.json").write_text(json.dumps([f"a {style} cat", f"a {style} dog"]))
        for number in range(2):
            draw(tmp_path / "images" / style / f"{number:05d}.jpg", number)
    words = ("images", "--prompts", "prompts", "--protocol", "hpdv2", "--format", "json", "--output-dir", "out")
    assert evaluate(*words)[0] == 2
    code, out, _ = evaluate(*words, "--metrics", "hpdv2@scenes,hps@scenes")
    assert code == 0
    rows = rows_of(out)
    assert rows["hpdv2@scenes", "all"]["n"] == 8
    assert "1 chunks of 80 images" in str(rows["hpdv2@scenes", "tag=anime"]["note"])
    assert rows["hpdv2@scenes", "tag=photo"]["value"] == pytest.approx(rows["hps@scenes", "tag=photo"]["value"])


def test_geneval_folders_bring_their_prompts(evaluate: Callable[..., tuple[int, str, str]], tmp_path: Path):
    for number, text in enumerate(("a photo of a cat", "a photo of two cars")):
        folder = tmp_path / "geneval" / f"{number:05d}"
        for index in range(2):
            draw(folder / "samples" / f"{index:04d}.png", 10 * number + index)
        (folder / "metadata.jsonl").write_text(json.dumps({"tag": "counting", "include": [], "prompt": text}))
        draw(folder / "grid.png", 7)
    code, out, _ = evaluate("geneval", "--metrics", "clip_score@scenes", "--format", "json")
    assert code == 0
    assert rows_of(out)["clip_score@scenes", "tag=counting"]["n"] == 4


def test_the_python_api_says_the_same(made: Path, prompt_file: Callable[..., str]):
    from evalsuite.elsewhere import Made, score_made
    from evalsuite.scoring import Scoring

    outcome = score_made(Made(folder=made, prompts=prompt_file(ENTRIES)), Scoring(metrics=("hps@scenes",)))
    assert outcome.rows is not None
    assert outcome.missing == 0
    assert outcome.folder.parent == Path("outputs")
    with pytest.raises(InputError, match="no metric"):
        score_made(Made(folder=made), Scoring(metrics=("nonsense",)))
