from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite.config import read
from evalsuite.errors import InputError
from evalsuite.spec import RunSpec

YAML = """
models: [dit, unet]
prompts: "007"
aspects: [1:1, 16:9, 9:16]
metrics: hps, fid
limit: ~
num-images: 2
steps: 12
guidance: 3
batch_size: auto
output_dir: no
"""
TOML = """
models = ["dit", "unet"]
prompts = "007"
aspects = ["1:1", "16:9", "9:16"]
metrics = "hps,fid"
num-images = 2
steps = 12
guidance = 3.0
batch_size = "auto"
output_dir = "no"
"""
EXPECTED = RunSpec(
    models=("dit", "unet"),
    prompts="007",
    aspects=("1:1", "16:9", "9:16"),
    metrics=("hps", "fid"),
    num_images=2,
    steps=12,
    guidance=3.0,
    output_dir="no",
)


@pytest.mark.parametrize(("name", "text"), [("run.yaml", YAML), ("run.yml", "\ufeff" + YAML), ("run.toml", TOML)])
def test_both_formats_mean_the_same_and_text_stays_text(tmp_path: Path, name: str, text: str):
    """Plain YAML would read 16:9 as 969 and no as False."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    spec = RunSpec(**read(tmp_path / name))
    assert spec == EXPECTED
    assert isinstance(spec.guidance, float)


def test_every_field_can_be_set(tmp_path: Path):
    spec = RunSpec(
        limit=3, threads=2, device="cpu", batch_size=5, output_dir="x", metrics=("fid",), model_args=("a=1", "b=c")
    )
    spec = replace(spec, negative_prompt="blurred, ugly", sampler="dpm++2m", shift=3.0, reference="y", weights=("z=w",))
    lines = []
    for key, value in spec.to_json().items():
        lines.append(f"{key}: {', '.join(value) if isinstance(value, list) else value}\n")
    (tmp_path / "run.yaml").write_text("".join(lines))
    assert RunSpec(**read(tmp_path / "run.yaml")) == spec


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str):
    (tmp_path / "run.yaml").write_text(text)
    assert read(tmp_path / "run.yaml") == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", b"stepps: 3", "did you mean steps"),
        ("a.toml", b"stepps = 3", "did you mean steps"),
        ("a.yaml", b"steps: many", "a whole number"),
        ("a.yaml", b"steps: 2.5", "a whole number"),
        ("a.yaml", b"guidance: strong", "a number"),
        ("a.yaml", b"steps: [1, 2]", "one value"),
        ("a.yaml", b"steps: {a: 1}", "one value"),
        ("a.toml", b"steps = {a = 1}", "one value"),
        ("a.yaml", b"models: {a: 1}", "write a list"),
        ("a.toml", b"models = [1, 2]", "write a list"),
        ("a.yaml", b"steps: 3\nsteps: 4", "twice"),
        ("a.yaml", b"a: &x [1]\nb: *x", "aliases"),
        ("a.yaml", b"- steps", "no list of settings"),
        ("a.yaml", b"just text", "no list of settings"),
        ("a.yaml", b"steps: [", "not YAML"),
        ("a.yaml", b"[" * 5000, "not YAML"),
        ("a.toml", b"steps 3", "not TOML"),
        ("a.yaml", b"prompts: caf\xe9", "not UTF-8"),
        ("a.yaml", b"#" * (1 << 20) + b"#", "larger than 1 MB"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, words: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tags_make_no_objects(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("prompts: !!python/object/apply:os.system ['touch canary']\n")
    with pytest.raises(InputError, match="one value"):
        read(tmp_path / "a.yaml")
    assert not (tmp_path / "canary").exists()
