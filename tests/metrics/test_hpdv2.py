from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from evalsuite.metrics.hpdv2 import average, style_score

STYLES = ("anime", "concept-art", "paintings", "photo")
Table = dict[str, dict[str, float]]


@pytest.fixture
def their_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[dict[str, list[float]], int], Table]:
    """hpsv2's own ``evaluate_benchmark`` on saved scores: what it averaged, and what it printed.

    Its module wants a tokenizer and a window system, so that function alone is taken out of it.
    """
    spec = importlib.util.find_spec("hpsv2")
    if spec is None or not spec.submodule_search_locations:
        assert not os.environ.get("CI"), "hpsv2 must be installed here: pip install --no-deps hpsv2==1.2.0"
        pytest.skip("hpsv2 is not installed")
    source = (Path(spec.submodule_search_locations[0]) / "evaluation.py").read_text(encoding="utf-8")
    function = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "evaluate_benchmark")

    def run(scores: dict[str, list[float]], batch: int) -> Table:
        found: list[float] = []

        def noted(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return lambda values: found.append(float(compute(values))) or found[-1]

        def batches(dataset: list[float], batch_size: int, **_: object) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for start in range(0, len(dataset), batch_size):
                rows = torch.tensor(dataset[start : start + batch_size], dtype=torch.float64)
                yield torch.diag(rows / 100), torch.eye(len(rows), dtype=torch.float64)

        names: dict[str, Any] = {
            "os": SimpleNamespace(listdir=lambda _: list(scores), path=os.path),
            "np": SimpleNamespace(mean=noted(np.mean), std=noted(np.std)),
            "torch": SimpleNamespace(
                no_grad=torch.no_grad,
                diagonal=torch.diagonal,
                cuda=SimpleNamespace(amp=SimpleNamespace(autocast=nullcontext)),
            ),
            "BenchmarkDataset": lambda meta_file, *_: scores[Path(meta_file).stem],
            "DataLoader": batches,
            "collate_eval": None,
        }
        exec(compile(ast.Module([function], []), "evaluation.py", "exec"), names)
        model = lambda images, texts: {"image_features": images, "text_features": texts}  # noqa: E731
        names["evaluate_benchmark"]("meta", "out/model", model, batch, None, None, "cpu")
        table: Table = {"printed": {}}
        values = iter(found)
        for style, own in scores.items():
            for _ in range(-(-len(own) // 80)):
                next(values)  # the chunks' means
            table[style] = {"mean": next(values), "sd": next(values)}
        table["Average"] = {"mean": next(values)}
        assert next(values, None) is None
        for line in capsys.readouterr().out.splitlines()[1:]:
            table["printed"][line.split()[1]] = float(line.split()[2])
        return table

    return run


def draw(generator: np.random.Generator, n: int) -> list[float]:
    """Scores as the model's would arrive: 100 x cosine, from cosines in float64."""
    return (generator.normal(27.5, 1.5, n) / 100 * 100).tolist()


@pytest.mark.parametrize("counts", [(800, 800, 800, 800), (800, 799, 81, 3), (80, 1, 160, 161)])
def test_the_table_is_that_of_hpsv2(
    their_table: Callable[[dict[str, list[float]], int], Table],
    generator: np.random.Generator,
    counts: tuple[int, ...],
):
    scores = {style: draw(generator, n) for style, n in zip(STYLES, counts, strict=True)}
    theirs = their_table(scores, 20)
    for style, own in scores.items():
        ours = style_score([score / 100 * 100 for score in own])
        assert (ours.mean, ours.sd) == (theirs[style]["mean"], theirs[style]["sd"])
        assert (ours.n, ours.chunks) == (len(own), -(-len(own) // 80))
        assert round(ours.mean, 2) == pytest.approx(theirs["printed"][style], abs=1e-9)
    everything = [score / 100 * 100 for own in scores.values() for score in own]
    assert average(everything) == theirs["Average"]["mean"]
    assert round(average(everything), 2) == pytest.approx(theirs["printed"]["Average"], abs=1e-9)


def test_whole_chunks_give_the_plain_mean_and_the_deviation_of_their_means(generator: np.random.Generator):
    scores = draw(generator, 800)
    found = style_score(scores)
    means = np.asarray(scores).reshape(10, 80).mean(1)
    assert found.mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.sd == pytest.approx(((means - means.mean()) ** 2).mean() ** 0.5, abs=1e-12)
    assert found.sd == pytest.approx(1.5 / 80**0.5, rel=0.6)  # not the deviation of scores


def test_a_short_last_chunk_weighs_as_much_as_a_whole_one():
    found = style_score([1.0] * 80 + [4.0])
    assert (found.mean, found.sd, found.chunks, found.n) == (2.5, 1.5, 2, 81)
    assert average([1.0] * 80 + [4.0]) == pytest.approx(84 / 81, abs=1e-15)


def test_chunks_are_of_neighbours():
    assert style_score([1, 1, 5, 5], chunk=2).sd == 2
    assert style_score([1, 5, 1, 5], chunk=2).sd == 0
    assert style_score([7.0]) == (7.0, 0.0, 1, 1)


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")], [[1.0]]])
def test_scores_that_have_no_mean_are_refused(scores: Any):
    for figure in (style_score, average):
        with pytest.raises(ValueError, match="finite score"):
            figure(scores)


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="chunks of 0"):
        style_score([1.0], chunk=0)
