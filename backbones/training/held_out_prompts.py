"""Write held-out scenes as a prompt set: captions whose combinations no training run has seen.

    python -m backbones.training.held_out_prompts > prompts/data/held-out.jsonl
    python -m backbones.training.held_out_prompts --count 500 > runs/held-out-500.jsonl

A longer set begins with the shorter ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from backbones.training.data import random_for
from backbones.training.scene import Scene, sample_scene

COUNT = 200


def held_out_scenes() -> Iterator[Scene]:
    """Scenes 0, 1, 2 ... of the held-out prompts, without end; no two have the same caption."""
    random, seen = random_for("held-out prompts", 0, 0), set[str]()
    while True:
        scene = sample_scene(random, "held-out")
        if scene.caption not in seen:
            seen.add(scene.caption)
            yield scene


def tags(scene: Scene) -> list[str]:
    """What a report can slice by: the layout, whether something is tinted, whether the ground is a gradient."""
    kinds = {"single": "single", "and": "pair"}
    found = [kinds.get(scene.layout, "count" if scene.count > 1 else "relation")]
    found += ["tinted"] if any(subject.colour for subject in scene.subjects) else []
    return [*found, "gradient" if scene.gradient else "plain"]


def main() -> None:
    """Print one JSON object a line; texts are distinct."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT)
    for number, scene in zip(range(parser.parse_args().count), held_out_scenes(), strict=False):
        print(json.dumps({"id": f"held-out-{number:03d}", "text": scene.caption, "tags": tags(scene)}))


if __name__ == "__main__":
    main()
