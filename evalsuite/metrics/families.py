"""The metrics by family: what each can be computed with, and what it takes when no network is named."""

from __future__ import annotations

from typing import NamedTuple

from evalsuite.scorers import Kind


class Family(NamedTuple):
    """A metric before its network is chosen.

    Attributes:
        target: ``module:function`` from a network of one of these kinds to the measures.
        kinds: of networks that can serve it; none where it looks at no image.
        published: the network that is taken when its weights are on this machine.
        bundled: taken otherwise.
        rule: of a CLIP network that is named without one.
        compares: with reference images.
    """

    target: str
    kinds: tuple[Kind, ...] = ()
    published: str = ""
    bundled: str = ""
    rule: str = "hf"
    compares: bool = False


FAMILIES: dict[str, Family] = {
    "hps": Family("evalsuite.metrics.hps:measures", ("scenes", "hps"), "v2.1", "scenes"),
    "clip_score": Family("evalsuite.metrics.clip_score:measures", ("scenes", "clip"), "vit-l-14-hf", "scenes"),
    # A centre crop would cut what an edit changed at the edge of a wide picture.
    "clip_direction": Family(
        "evalsuite.metrics.clip_direction:measures", ("scenes", "clip"), "vit-l-14-ip2p", "scenes", "ip2p"
    ),
    "fid": Family("evalsuite.metrics.fid:measures", ("scenes", "inception"), "inception-tf1", "scenes", compares=True),
    "fd": Family(
        "evalsuite.metrics.fid:fd_measures", ("scenes", "dinov2", "clip"), "dinov2-vitl14", "scenes", compares=True
    ),
    "kid": Family("evalsuite.metrics.kid:measures", ("scenes", "inception"), "inception-tf1", "scenes", compares=True),
    "cmmd": Family("evalsuite.metrics.cmmd:measures", ("scenes", "clip"), "vit-l-14-336-hf", "scenes", compares=True),
    "hpdv2": Family("evalsuite.metrics.hpdv2:measures", ("scenes", "hps"), "v2.1", "scenes"),
    "v_variance": Family("evalsuite.metrics.v_variance:measures"),
}
