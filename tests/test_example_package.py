"""The example package under examples/, found by entry points as if it were installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "evalsuite-example"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUN = "run --model paint --prompts weather --metrics sharpness,v_variance --guidance 1 --steps 4"


@pytest.fixture
def installed(environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """Surroundings in which its source is on the path, with the metadata that pip would write."""
    about = tmp_path / "site" / "evalsuite_example-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    groups = PROJECT["entry-points"].items()
    points = "\n".join(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for group, names in groups)
    (about / "entry_points.txt").write_text(points)
    path = os.pathsep.join([str(tmp_path / "site"), str(EXAMPLE / "src"), environment["PYTHONPATH"]])
    return {**environment, "PYTHONPATH": path}


def python(installed: Mapping[str, str], cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=installed, cwd=cwd, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("kind", "name"), [("models", "paint"), ("metrics", "sharpness"), ("prompts", "weather")])
def test_it_is_listed_without_being_imported(kind: str, name: str, installed: Mapping[str, str], tmp_path: Path):
    code = (
        "import sys\nfrom evalsuite.cli import main\n"
        f"try:\n    main(['list', '{kind}'])\nexcept SystemExit:\n    pass\n"
        "print('imported', any(name.startswith('evalsuite_example') for name in sys.modules))"
    )
    printed = python(installed, tmp_path, "-c", code)
    assert name in printed
    assert printed.endswith("imported False\n")


def test_its_model_metric_and_prompts_make_a_run(installed: Mapping[str, str], tmp_path: Path):
    small = ["--pixels", "4096", "--threads", "1", "--device", "cpu", "--format", "csv"]
    printed = python(installed, tmp_path, "-m", "evalsuite", *RUN.split(), *small)
    rows = [line.split(",") for line in printed.splitlines()]
    (sharp,) = [row for row in rows if row[:3] == ["paint", "sharpness@example", "all"]]
    assert 0 < float(sharp[3]) < 255
    assert any(row[:3] == ["paint", "v_variance@trajectory", "all"] for row in rows)
    assert any(row[:3] == ["paint", "sharpness@example", "tag=air"] for row in rows)


def test_the_readme_names_what_the_package_has():
    words = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert f"evalsuite {RUN}" in words
    for names in PROJECT["entry-points"].values():
        assert all(f"`{name}`" in words for name in names)
