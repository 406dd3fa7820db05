"""Write the bundled prompt set of held-out scenes: captions whose combinations no training run has seen.

python -m backbones.training.held_out_prompts > prompts/data/held-out.jsonl
"""

from __future__ import annotations

import json

from backbones.training.data import random_for
from backbones.training.scene import Scene, sample_scene

COUNT = 200


def tags(scene: Scene) -> list[str]:
    """What a report can slice by: the layout, whether something is tinted, whether the ground is a gradient."""
    kinds = {"single": "single", "and": "pair"}
    found = [kinds.get(scene.layout, "count" if scene.count > 1 else "relation")]
    found += ["tinted"] if any(subject.colour for subject in scene.subjects) else []
    return [*found, "gradient" if scene.gradient else "plain"]


def main() -> None:
    """Print one JSON object a line; texts are distinct."""
    random = random_for("held-out prompts", 0, 0)
    scenes: dict[str, Scene] = {}
    while len(scenes) < COUNT:
        scene = sample_scene(random, "held-out")
        scenes.setdefault(scene.caption, scene)
    for number, (text, scene) in enumerate(scenes.items()):
        print(json.dumps({"id": f"held-out-{number:03d}", "text": text, "tags": tags(scene)}))


if __name__ == "__main__":
    main()
