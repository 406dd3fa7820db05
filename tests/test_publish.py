from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evalsuite import RunSpec, publish
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, prepare
from evalsuite.rows import to_frame
from evalsuite.samples import Sample

ENTRIES = [{"id": id, "text": f"a {id}"} for id in ("p10", "p9", "b", "a")]


def make_manifest(tiny: Callable[..., RunSpec]) -> Manifest:
    spec = tiny(ENTRIES, models=("toy", "tiny_models:conv"), aspects=("3:2", "1:1"), num_images=11)
    manifest = prepare(spec, Shelf())
    return replace(manifest, spec=replace(manifest.spec, models=("toy", "tiny_models:conv"), aspects=("3:2", "1:1")))


def make_samples(manifest: Manifest) -> list[Sample]:
    names = ("id", "model", "prompt_id", "text", "base", "tags", "aspect", "width", "height", "index", "seed")
    return [Sample(*(getattr(job, name) for name in names), "0", Path("x"), None) for job in manifest.jobs]


EXPECTED = [
    (prompt, aspect, index, model)
    for prompt in ("p10", "p9", "b", "a")
    for aspect in ("3:2", "1:1")
    for index in range(11)
    for model in ("toy", "tiny_models:conv")
]


def test_the_gallery_has_prompts_and_aspects_in_the_order_asked_for(tiny: Callable[..., RunSpec]):
    manifest = make_manifest(tiny)
    gallery = publish.context(manifest, make_samples(manifest), [])["gallery"]
    assert [(g["prompt_id"], g["aspect"], g["index"], g["model"]) for g in gallery] == EXPECTED


def test_scores_have_the_same_order(tiny: Callable[..., RunSpec], tmp_path: Path):
    manifest = make_manifest(tiny)
    names = ("prompt_id", "aspect", "index", "model")
    lines = [{name: getattr(job, name) for name in names} for job in manifest.jobs]
    lines.sort(key=publish.by_plan(manifest))
    publish.publish(to_frame([]), lines, publish.context(manifest, [], []), tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    assert [tuple(line) for line in lines] == [(p, a, str(i), m) for p, a, i, m in EXPECTED]


def test_nothing_made_is_a_report_too(tiny: Callable[..., RunSpec], tmp_path: Path):
    publish.publish(to_frame([]), [], publish.context(make_manifest(tiny), [], []), tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["curves"] == []
