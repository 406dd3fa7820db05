"""What a metric is computed with, by name: the part of a metric id after the ``@``, such as ``inception-tf1``."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

from evalsuite.errors import InputError

Kind: TypeAlias = Literal["scenes", "hps", "clip", "inception", "dinov2"]

INCEPTION_RULES = ("tf1", "antialias", "clean", "pytorch-fid")
CLIP_RULES = ("hf", "ip2p", "letterbox")
HPS_VERSIONS = ("v2.0", "v2.1")
HPS_RULES = ("", "noaa", "hpsv2")
FP32 = "fp32"
HPS_PRECISIONS, INCEPTION_PRECISIONS = ("tf32", "bf16", "fp16"), ("tf32",)
"""Beside fp32, on a GPU and by name only: numbers of two precisions are not comparable."""
OPENAI = {"vit-l-14": "clip-vit-l-14", "vit-l-14-336": "clip-vit-l-14-336"}
"""CLIP networks with a name of their own, and the weights they load."""
ALIASES = {"v2": "v2.0", "inception": "inception-tf1", "dinov2": "dinov2-vitl14"}


@dataclass(frozen=True, slots=True)
class ScorerName:
    """A network with its preprocessing.

    Attributes:
        id: in full, as rows have it.
        kind: which loader serves it.
        network: of its kind: ``v2.1``, ``vit-l-14``, ``ViT-B-32:laion2b_s34b_b79k``, ``hf:owner/repo``, or a folder.
        rule: how images are brought to the network's size; empty where there is one way only.
        weights: name in the weights catalogue; empty where the package has them or the network says.
        precision: of the network's arithmetic.
    """

    id: str
    kind: Kind
    network: str
    rule: str = ""
    weights: str = ""
    precision: str = FP32

    @property
    def plain(self) -> str:
        """The id of the same in fp32."""
        return self.id.removesuffix(f"-{self.precision}")


SCENES = ScorerName("scenes", "scenes", "scenes")


def scorer_name(text: str, rule: str = "hf") -> ScorerName:
    """What an id stands for.

    Args:
        text: an id; a CLIP network may lack its rule.
        rule: of a CLIP network that lacks it.

    Raises:
        InputError: unknown; says the nearest id and all forms.
    """
    text = ALIASES.get(text, text)
    if text == SCENES.id:
        return SCENES
    if text in _FIXED:
        return _FIXED[text]
    network, found = _split(text)
    if network in OPENAI or ":" in network or "/" in network or network.startswith("."):
        rule = found or rule
        return ScorerName(f"{network}-{rule}", "clip", network, rule, OPENAI.get(network, ""))
    known = [SCENES.id, *_FIXED, *OPENAI]
    near = get_close_matches(text, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no scorer {text!r}: {hint}known are {', '.join(known)} (CLIP networks with -{', -'.join(CLIP_RULES)}), and"
        " ARCHITECTURE:TAG of open_clip, hf:owner/repo, or a folder with open_clip_config.json"
    )


def _split(text: str) -> tuple[str, str]:
    network, _, rule = text.rpartition("-")
    return (network, rule) if network and rule in CLIP_RULES else (text, "")


def _hps(version: str, rule: str = "", precision: str = FP32) -> ScorerName:
    parts = (version, rule, "" if precision == FP32 else precision)
    return ScorerName("-".join(filter(None, parts)), "hps", version, rule, f"hps@{version}", precision)


def _inception(rule: str, precision: str = FP32) -> ScorerName:
    end = "" if precision == FP32 else f"-{precision}"
    return ScorerName(f"inception-{rule}{end}", "inception", "inception", rule, "inception-fid", precision)


_FIXED: dict[str, ScorerName] = {
    name.id: name
    for name in (
        *(_hps(version, rule) for version in HPS_VERSIONS for rule in HPS_RULES),
        *(_hps(version, precision=precision) for version in HPS_VERSIONS for precision in HPS_PRECISIONS),
        *map(_inception, INCEPTION_RULES),
        *(_inception(rule, precision) for rule in INCEPTION_RULES for precision in INCEPTION_PRECISIONS),
        ScorerName("dinov2-vitl14", "dinov2", "dinov2-vitl14", "", "dinov2-vitl14"),
    )
}
