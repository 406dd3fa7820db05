"""The README's examples are run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def call(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(first_line: str) -> str:
    (found,) = [text for text in BLOCKS if text.startswith(first_line)]
    return found


def test_running_from_python_prints_rows(tmp_path):
    printed = call([sys.executable, "-c", block("from evalsuite import RunSpec")], tmp_path)
    assert "v_variance@trajectory" in printed
    assert (tmp_path / "outputs" / "readme" / "report.md").is_file()


def test_a_metric_in_a_training_loop_gives_a_cosine(tmp_path):
    printed = call([sys.executable, "-c", block("import torch")], tmp_path)
    assert -1 <= float(re.search(r"-?\d\.\d+", printed).group()) <= 1


def test_the_example_backbone_and_metric_run(tmp_path):
    for name, first in (("my_model", "# my_model.py"), ("my_metric", "# my_metric.py")):
        (tmp_path / f"{name}.py").write_text(block(first), encoding="utf-8")
    evalsuite = [sys.executable, "-m", "evalsuite", "run", "--limit", "2", "--steps", "2", "--format", "csv"]
    printed = call([*evalsuite, "--model", "my_model:Blur", "--metrics", "v_variance"], tmp_path)
    assert "my_model:Blur" in printed
    printed = call([*evalsuite, "--model", "toy", "--guidance", "1", "--metrics", "my_metric:MEASURE"], tmp_path)
    values = [line.split(",")[3] for line in printed.splitlines() if line.startswith("toy,brightness,all,")]
    assert 0 < float(values[0]) < 255


@pytest.mark.parametrize("command", ["run", "generate", "score", "list", "show"])
def test_every_command_is_in_the_readme(command):
    assert f"evalsuite {command} " in README
