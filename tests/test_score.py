from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backbones.sampler import timesteps
from evalsuite.encoders.preference import PreferenceHead
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.image_set import ImageSet, of_run
from evalsuite.manifest import Manifest, ModelFacts
from evalsuite.metrics.clip_direction import directional_similarity
from evalsuite.plan import Job, Machine
from evalsuite.records import Picture
from evalsuite.reference import Reference, moments
from evalsuite.rows import Row
from evalsuite.samples import PathStatistics, Trace
from evalsuite.score import Scores, score
from evalsuite.scorers import ScorerName
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from prompts import Prompt

WIDTH = 16
METRICS = ("hps", "clip_score", "clip_direction", "fid", "v_variance")
PROMPTS = (
    Prompt("cat", "a cat", tags=("animal",)),
    Prompt("cat-blue", "a blue cat", base="cat", tags=("animal", "colour")),
    Prompt("car", "a car"),
    Prompt("long", "a very long prompt about a car", tags=("colour",)),
)
PROJECTION = np.random.default_rng(7).standard_normal((6, WIDTH))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class FakeEncoder:
    """Random projections of a few statistics; counts what it is asked."""

    id, fingerprint, preprocessing, width = "fake", "f" * 64, "none", WIDTH

    def __init__(self) -> None:
        self.seen = 0

    def images(self, images: torch.Tensor) -> np.ndarray:
        self.seen += len(images)
        x = images.double().flatten(2)
        return unit(torch.cat([x.mean(2) - 128, x.std(2)], 1).numpy() @ PROJECTION)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        self.seen += len(texts)
        return unit(np.array([[len(t), t.count("a"), t.count("blue") * 9, 1, 2, 3] for t in texts]) @ PROJECTION)

    def truncated(self, text: str) -> bool:
        return len(text) > 20


def make_trace(level: float) -> Trace:
    def path(scale: float) -> PathStatistics:
        two, one = [scale] * 50, [0.5] * 49
        return {
            "mean": two, "variance": two, "power": two, "deviation": two, "cosine": one, "change": one,
            "straightness": scale, "mean_power": 2.0,
        }  # fmt: skip

    return {"t": timesteps(50)[:-1], "weight": [0.02] * 50, "guided": path(level), "conditional": path(level / 2)}


def paint(job: Job) -> Picture:
    """Noise about a colour of the prompt's, from the job's id alone."""
    generator = np.random.default_rng(list(job.id.encode()))
    if job.model == "b" and job.prompt_id == "car" and job.aspect == "1:1":
        return Picture("nonfinite", None, None)
    centre = 40 + 2 * len(job.text) * np.array([1, 2, 3])
    shape = (job.height, job.width, 3)
    rgb = (centre + generator.integers(-30, 30, (3,)) + generator.integers(0, 20, shape)).clip(0, 255).astype(np.uint8)
    if job.prompt_id == "long":
        rgb[:] = rgb[0, 0]
        return Picture("constant", rgb, make_trace(0.5))
    return Picture("ok", rgb, make_trace(0.1 * len(job.text)))


def make_manifest(**changes: Any) -> Manifest:
    sizes = {"aspects": ("1:1", "3:2"), "pixels": 4096, "num_images": 2}
    spec = RunSpec(models=("b", "a"), **sizes, steps=20, device="cpu", metrics=METRICS)
    spec = replace(spec, batch_size=3, threads=1, **changes)
    models = {name: ModelFacts(name * 64, 16, 0) for name in spec.models}
    return Manifest(spec, PROMPTS, "test", "0" * 64, models, Machine("cpu", "2"), {})


def fill(folder: Path, skip: int = 0) -> RunStore:
    store = RunStore.create(folder, make_manifest())
    for made in store.manifest.units[skip:]:
        store.add(made, [paint(job) for job in made.jobs], 1.0)
    return store


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with fill(tmp_path / "run") as opened:
        yield opened


def make_reference() -> Reference:
    generator = np.random.default_rng(3)
    aspects = {aspect: moments(unit(generator.standard_normal((300, WIDTH)))) for aspect in ("1:1", "3:2")}
    return Reference(aspects, "fake", "f" * 64, "none", "c" * 64)


def loader(encoder: FakeEncoder, seen: list[Collection[str]] | None = None) -> Callable[..., Scorer]:
    def load(name: ScorerName, uses: Collection[str]) -> Scorer:
        assert name.id == "scenes"
        if seen is not None:
            seen.append(set(uses))
        head = PreferenceHead(WIDTH) if "preference" in uses else None
        reference = make_reference() if "reference" in uses else None
        return Scorer(encoder, head, "h" * 64, reference)

    return load


def run(store: RunStore, encoder: FakeEncoder | None = None, **changes: Any) -> Scores:
    store.manifest = replace(store.manifest, spec=replace(store.manifest.spec, **changes))
    return score(of_run(store, store.images()), store.manifest.spec.metrics, loader(encoder or FakeEncoder()))


def find(scores: Scores, model: str, metric: str, part: str = "all") -> Row:
    (row,) = [row for row in scores.rows if (row.model, row.metric, row.slice) == (model, metric, part)]
    return row


def test_every_model_metric_and_slice_has_its_row(store: RunStore):
    scores = run(store)
    keys = [(row.model, row.metric, row.slice) for row in scores.rows]
    assert len(set(keys)) == len(keys)
    assert list(dict.fromkeys(model for model, _, _ in keys)) == ["b", "a"]
    for model in "ab":
        own = {metric: [part for m, name, part in keys if (m, name) == (model, metric)] for _, metric, _ in keys}
        everywhere = ["all", "aspect=1:1", "aspect=3:2", "tag=animal", "tag=colour"]
        assert own["hps@scenes"] == own["clip_score@scenes"] == own["v_variance@trajectory"] == everywhere
        assert own["clip_direction@scenes"] == own["clip_image_similarity@scenes"] == everywhere
        assert own["fid@scenes"] == everywhere[:3]


def test_values_follow_from_the_images_alone(store: RunStore):
    scores, encoder = run(store), FakeEncoder()
    values = {row["id"]: row for row in scores.per_image}
    samples = {s.id: s for s in store.samples(store.images())}
    assert set(samples) <= set(values) == {job.id for job in store.manifest.jobs}

    def feature(key: str) -> np.ndarray:
        rgb = paint(next(job for job in store.manifest.jobs if job.id == key)).rgb
        assert rgb is not None
        return encoder.images(torch.from_numpy(rgb).permute(2, 0, 1)[None])

    for key, sample in samples.items():
        cosine = 100 * float((feature(key) * encoder.texts([sample.text])).sum())
        assert values[key]["clip_score"] == pytest.approx(max(cosine, 0), abs=1e-3)
        assert values[key]["hps"] == pytest.approx(cosine, abs=1e-3)
    edit, base = "a|cat-blue|80x48|1", "a|cat|80x48|1"
    pair = (feature(edit), feature(base), encoder.texts(["a blue cat"]), encoder.texts(["a cat"]))
    expected = directional_similarity(*map(torch.from_numpy, pair)).item()
    assert values[edit]["clip_direction"] == pytest.approx(expected, abs=1e-6)
    assert values[base]["clip_direction"] is None
    mean = np.mean([values[key]["clip_score"] for key in samples if key.startswith("a|")])
    assert find(scores, "a", "clip_score@scenes").value == pytest.approx(mean)


def test_a_second_time_nothing_is_computed_and_nothing_changes(store: RunStore):
    first, second = FakeEncoder(), FakeEncoder()
    before, after = run(store, first), run(store, second)
    assert first.seen == len(store.samples(store.images())) + len(PROMPTS)
    assert second.seen == 0
    assert json.dumps(after.per_image) == json.dumps(before.per_image)
    assert after.rows == before.rows


def test_order_of_work_and_of_images_does_not_matter(store: RunStore, tmp_path: Path):
    with RunStore.create(tmp_path / "other", make_manifest()) as other:
        for made in reversed(other.manifest.units):
            other.add(made, [paint(job) for job in made.jobs], 1.0)
        images = of_run(other, other.images()[::-1])
        shuffled = score(images, METRICS, loader(FakeEncoder()))
    assert shuffled == run(store)


def test_images_that_are_not_finite_or_of_one_colour_are_counted(store: RunStore):
    scores = run(store)
    status = {row["id"]: row["status"] for row in scores.per_image}
    assert [status[f"b|car|64x64|{i}"] for i in (0, 1)] == ["nonfinite"] * 2
    assert next(row for row in scores.per_image if row["id"] == "b|car|64x64|0")["hps"] is None
    row = find(scores, "b", "v_variance@trajectory")
    assert (row.n, row.note) == (14, "2 of 16 images not finite, left out; 4 of 16 images of one colour, counted")
    assert find(scores, "a", "v_variance@trajectory").note == "4 of 16 images of one colour, counted"
    assert find(scores, "a", "v_variance@trajectory", "tag=animal").note == ""
    assert find(scores, "b", "hps@scenes").note.startswith("1 prompts cut to the text encoder's length; 2 of 16")


def test_units_that_are_missing_are_named_and_the_rest_is_scored(tmp_path: Path):
    with fill(tmp_path / "run", skip=1) as store:
        scores = run(store)
        assert len(scores.per_image) == 32
        assert [line["status"] for line in scores.per_image].count("missing") == 3
        row = find(scores, store.manifest.units[0].model, "clip_score@scenes")
        assert row.n < 16
        assert "3 of 16 images missing" in row.note


def test_strange_and_repeated_images_are_refused(store: RunStore):
    images = store.images()
    with pytest.raises(ValueError, match="1 images are not of the plan or there twice"):
        of_run(store, [*images, images[0]])
    stranger = images[0]._replace(job=replace(images[0].job, prompt_id="other"))
    with pytest.raises(ValueError, match="not of the plan"):
        of_run(store, [stranger])


def test_only_what_the_metrics_use_is_loaded(store: RunStore):
    seen: list[Collection[str]] = []
    encoder = FakeEncoder()
    for metrics in (("v_variance",), ("clip_score", "clip_direction"), METRICS):
        scores = score(of_run(store, store.images()), metrics, loader(encoder, seen))
        assert {row.metric for row in scores.rows} >= {f"{name}@scenes" for name in metrics if name != "v_variance"}
        if metrics == ("v_variance",):
            assert encoder.seen == 0
            assert scores.per_image[0]["v_variance"] == pytest.approx(0.1 * len("a car") / 2)
    assert seen == [{"encoder"}, {"encoder", "images", "preference", "reference"}]


def test_protocol_changes_with_what_the_number_rests_on(store: RunStore):
    def protocols(encoder: FakeEncoder, **changes: Any) -> dict[str, str]:
        return {row.metric: row.protocol for row in run(store, encoder, **changes).rows}

    one, steps = protocols(FakeEncoder()), protocols(FakeEncoder(), steps=7)
    changed = {metric for metric in one if one[metric] != steps[metric]}
    assert changed == {"v_variance@trajectory", "v_variance_conditional@trajectory"}
    assert "20 steps, shift 1.5, guidance 4" in one["v_variance@trajectory"]
    assert "reference cccccccc" in one["fid@scenes"]
    assert len({protocol[:8] for protocol in one.values()}) == len(one)


def test_reference_of_another_encoder_is_refused():
    reference = replace(make_reference(), fingerprint="e" * 64)
    with pytest.raises(InputError, match="make it again with `evalsuite stats build`"):
        Scorer(FakeEncoder(), reference=reference)


def test_intervals_hold_their_value_and_wide_ones_have_few_prompts(store: RunStore):
    scores = run(store)
    for row in scores.rows:
        if row.low is not None and row.value is not None and row.high is not None:
            assert row.low <= row.value <= row.high
    assert find(scores, "a", "hps@scenes").method == "95% t, clustered by prompt (G=3)"
    assert find(scores, "a", "clip_direction@scenes").low is None
    assert "use at equal n" in find(scores, "a", "fid@scenes").note


def test_two_networks_of_one_family_have_their_own_rows_and_columns(store: RunStore):
    class Other(FakeEncoder):
        id, fingerprint = "other", "e" * 64

        def texts(self, texts: Sequence[str]) -> np.ndarray:
            return -super().texts(texts)

    encoders = {"v2.0": FakeEncoder(), "v2.1": Other()}
    loaded: list[str] = []

    def load(name: ScorerName, uses: Collection[str]) -> Scorer:
        loaded.append(name.id)
        return Scorer(encoders[name.id])

    scores = score(of_run(store, store.images()), ("hps@v2.0", "hps@v2.1"), load)
    assert loaded == ["v2.0", "v2.1"]
    one, other = (find(scores, "a", f"hps@{version}").value for version in ("v2.0", "v2.1"))
    assert one == pytest.approx(-other)
    line = next(line for line in scores.per_image if line["status"] == "ok")
    assert line["hps@v2.0"] == pytest.approx(-line["hps@v2.1"])


def test_images_without_prompts_are_compared_and_not_read(store: RunStore):
    images = replace(of_run(store, store.images()), has_prompts=False)
    assert isinstance(images, ImageSet)
    encoder = FakeEncoder()
    scores = score(images, ("fid@scenes",), loader(encoder))
    assert encoder.seen == len(images.samples)
    assert {row.metric for row in scores.rows} >= {"fid@scenes"}
    with pytest.raises(InputError, match="name the prompts with --prompts"):
        score(images, ("fid@scenes", "hps@scenes"), loader(encoder))
