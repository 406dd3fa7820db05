"""Write the bundled prompt set of ImageNet's classes, from the list of names that torchvision has (BSD 3-Clause).

python -m backbones.training.imagenet_prompts > prompts/data/imagenet.jsonl
"""

from __future__ import annotations

import json
from collections.abc import Sequence

TAGS: dict[str, Sequence[range]] = {  # the first that has a class's number counts; classes come sorted by kind
    "fish": (range(7), range(389, 398)),
    "bird": (range(7, 25), range(80, 101), range(127, 147)),
    "reptile": (range(25, 69),),  # and amphibians
    "dog": (range(151, 269),),
    "animal": (range(398),),
    "food": (range(924, 970),),
    "place": (range(970, 981),),
    "person": (range(981, 984),),
    "plant": (range(984, 998),),  # and fungi
}
OTHER = "object"


def tag(label: int) -> str:
    """The kind of thing that a class is."""
    return next((name for name, spans in TAGS.items() if any(label in span for span in spans)), OTHER)


def main() -> None:
    """Print one JSON object a line, in the order of the classes."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    for label, name in enumerate(_IMAGENET_CATEGORIES):
        print(json.dumps({"id": f"imagenet-{label:04d}", "text": name, "tags": [tag(label)]}))


if __name__ == "__main__":
    main()
