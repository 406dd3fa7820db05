"""What each metric means, in words; imports nothing heavy, so that listing them is instant."""

from __future__ import annotations

from dataclasses import dataclass

from evalsuite.metrics.families import FAMILIES
from evalsuite.metrics.network_words import network_words
from evalsuite.scorers import FP32, SCENES, ScorerName, scorer_name


@dataclass(frozen=True, slots=True)
class MetricCard:
    """What a reader must know before comparing two numbers.

    Attributes:
        name: versioned id, with extractor or rule after the ``@``.
        title: for headings.
        meaning: what is computed, in a sentence or two.
        range: of the value.
        unit: of the value and its interval.
        higher_is_better: None where neither direction is better.
        comparable: what two numbers must share to be compared.
        interval: how its interval is made.
        sources: arXiv ids and other definitions.
    """

    name: str
    title: str
    meaning: str
    range: str
    unit: str
    higher_is_better: bool | None
    comparable: str
    interval: str
    sources: tuple[str, ...]


MEAN_INTERVAL = "95 % Student t of the mean, robust to dependence between images of one prompt or its edits"
RATIO_INTERVAL = "95 % Student t of a ratio of sums by the delta method, clustered by prompt"


def hps(scorer: ScorerName) -> MetricCard:
    """Of the preference score."""
    head = (
        "100 x cosine of image and prompt after a preference head. The head was trained by HPSv2's pairwise recipe, on "
        "synthetic preferences (a real render over a degraded or wrong one), over"
    )
    bundled = scorer.kind == "scenes"
    how = "in fp32 and " if scorer.precision == FP32 else ""  # others are named with the network
    return MetricCard(
        name=f"hps@{scorer.id}",
        title="Preference score",
        meaning=(
            f"{head} {network_words(scorer)}. Not the published HPS."
            if bundled
            else f"100 x cosine of image and prompt, {how}without logit scale, under {network_words(scorer)}."
        ),
        range="-100 to 100",
        unit="100 x cosine",
        higher_is_better=True,
        comparable=f"same prompts, sizes and protocol; not with {'hps@v2' if bundled else 'another version'}",
        interval=MEAN_INTERVAL,
        sources=("arXiv:2306.09341",),
    )


def hps_hpdv2(scorer: ScorerName) -> MetricCard:
    """Of the HPDv2 benchmark's own average."""
    return MetricCard(
        name=f"hpdv2@{scorer.id}",
        title="HPDv2 benchmark",
        meaning=(
            "hps as the HPDv2 benchmark averages it: a style is the mean of the means of 80 consecutive images, all is "
            "the mean over images; the note gives the standard deviation of those means, which is no standard error."
        ),
        range="-100 to 100",
        unit="100 x cosine",
        higher_is_better=True,
        comparable="HPDv2's own 3,200 prompts, the same image format and protocol",
        interval=MEAN_INTERVAL,
        sources=("arXiv:2306.09341",),
    )


def clip_score(scorer: ScorerName) -> MetricCard:
    """Of the CLIP score."""
    return MetricCard(
        name=f"clip_score@{scorer.id}",
        title="CLIP score",
        meaning=(
            f"Mean of 100 x max(cosine of image and prompt, 0) under {network_words(scorer)}. Long prompts keep their "
            "end token."
        ),
        range="0 to 100",
        unit="100 x cosine",
        higher_is_better=True,
        comparable="same prompts, sizes and protocol; not with a CLIP score of another network",
        interval=MEAN_INTERVAL,
        sources=("arXiv:2104.08718",),
    )


def clip_direction(scorer: ScorerName) -> tuple[MetricCard, MetricCard]:
    """Of directional similarity, and of the image similarity beside it."""
    pairs = "same prompt pairs, sizes and protocol"
    direction = MetricCard(
        name=f"clip_direction@{scorer.id}",
        title="CLIP directional similarity",
        meaning=(
            "Mean cosine between the change of the image and the change of its prompt: features of unit length are "
            "subtracted, an edited prompt's image minus its base prompt's at the same size and seed. Pairs in which "
            "either change is shorter than 0.001 have no direction; they are left out and counted. The note gives the "
            f"mean with the prompts shuffled. Features: {network_words(scorer)}."
        ),
        range="-1 to 1",
        unit="cosine",
        higher_is_better=True,
        comparable=f"{pairs}; read beside clip_image_similarity, as drastic change raises it",
        interval=MEAN_INTERVAL,
        sources=("arXiv:2108.00946", "arXiv:2211.09800"),
    )
    image = MetricCard(
        name=f"clip_image_similarity@{scorer.id}",
        title="CLIP image similarity",
        meaning=(
            "Mean cosine between the image of an edited prompt and that of its base prompt at the same size and seed."
        ),
        range="-1 to 1",
        unit="cosine",
        higher_is_better=None,
        comparable=pairs,
        interval=MEAN_INTERVAL,
        sources=("arXiv:2211.09800",),
    )
    return direction, image


def frechet(scorer: ScorerName, family: str = "fid") -> tuple[MetricCard, MetricCard]:
    """Of a Frechet distance, and of its extrapolation."""
    distance = MetricCard(
        name=f"{family}@{scorer.id}",
        title="Frechet distance",
        meaning=(
            "Frechet distance of Gaussians fitted to the features of the images and of reference images, in the same "
            f"mix of aspect ratios where the reference has them, under {network_words(scorer)}. It falls with the "
            f"number of images whatever their quality.{' Not the published FID.' * (scorer.kind == 'scenes')}"
        ),
        range="0 and up",
        unit="squared feature distance",
        higher_is_better=False,
        comparable="equal number of images, same prompts, sizes, reference and protocol",
        interval="95 % Student t from influence functions, clustered by prompt, for the expected distance at this n",
        sources=("arXiv:1706.08500", "arXiv:1911.07023"),
    )
    infinity = MetricCard(
        name=f"{family}_infinity@{scorer.id}",
        title="Frechet distance without sampling bias",
        meaning=(
            f"{family} extrapolated to infinitely many images: twice the distance at n images minus the mean distance "
            "at n / 2, over random halves of the prompts. Given from twice as many images as feature dimensions on."
        ),
        range="about 0 and up",
        unit="squared feature distance",
        higher_is_better=False,
        comparable="same prompts, sizes, reference and protocol",
        interval="95 % Student t from influence functions, clustered by prompt",
        sources=("arXiv:1911.07023",),
    )
    return distance, infinity


def kid(scorer: ScorerName) -> MetricCard:
    """Of the kernel distance."""
    return MetricCard(
        name=f"kid@{scorer.id}",
        title="Kernel distance",
        meaning=(
            "1000 x squared maximum mean discrepancy of the features of the images and of reference images, with "
            f"kernel (x.y / d + 1)^3, without bias at any n (it can be below 0), under {network_words(scorer)}."
        ),
        range="about 0 and up",
        unit="1000 x squared discrepancy",
        higher_is_better=False,
        comparable="same prompts, sizes, reference and protocol",
        interval="95 % Student t from the kernel's projection, clustered by prompt; the reference is taken as given",
        sources=("arXiv:1801.01401",),
    )


def cmmd(scorer: ScorerName) -> MetricCard:
    """Of the CLIP maximum mean discrepancy."""
    return MetricCard(
        name=f"cmmd@{scorer.id}",
        title="CLIP maximum mean discrepancy",
        meaning=(
            "1000 x squared maximum mean discrepancy between unit CLIP features of the images and of reference images, "
            "Gaussian kernel of width 10, without bias (the published code keeps the diagonal, which adds about "
            f"5 / n + 5 / m for n images and m references); features: {network_words(scorer)}."
        ),
        range="about 0 and up",
        unit="1000 x squared discrepancy",
        higher_is_better=False,
        comparable="same prompts, sizes, reference and protocol",
        interval="95 % Student t from the kernel's projection, clustered by prompt; the reference is taken as given",
        sources=("arXiv:2401.09603",),
    )


V_VARIANCE = MetricCard(
    name="v_variance@trajectory",
    title="Velocity variance along the path",
    meaning=(
        "How much the predicted velocity (with guidance) changes along the sampling path: its weighted variance over "
        "time divided by the power of its mean. 0 is a straight path; a curved one needs more steps for the same error."
    ),
    range="0 and up",
    unit="ratio",
    higher_is_better=None,
    comparable="same sampler, steps, time shift, guidance and latent space; few steps underestimate it",
    interval=RATIO_INTERVAL,
    sources=("arXiv:2209.03003",),
)
V_VARIANCE_CONDITIONAL = MetricCard(
    name="v_variance_conditional@trajectory",
    title="Velocity variance along the path, without guidance",
    meaning="v_variance of the prediction without guidance, at the points that the guided path visits.",
    range="0 and up",
    unit="ratio",
    higher_is_better=None,
    comparable="same sampler, steps, time shift, guidance and latent space; few steps underestimate it",
    interval=RATIO_INTERVAL,
    sources=("arXiv:2209.03003",),
)


def cards_of(family: str, scorer: ScorerName | None) -> tuple[MetricCard, ...]:
    """The cards of a family of ours with a network: the headline first, then its companions."""
    if scorer is None:
        return (V_VARIANCE, V_VARIANCE_CONDITIONAL)
    if family in ("fid", "fd"):
        return frechet(scorer, family)
    if family == "clip_direction":
        return clip_direction(scorer)
    one = {"hps": hps, "clip_score": clip_score, "kid": kid, "cmmd": cmmd, "hpdv2": hps_hpdv2}[family]
    return (one(scorer),)


def bundled(family: str) -> tuple[MetricCard, ...]:
    """The cards of a family with the network that needs no download."""
    return cards_of(family, SCENES if FAMILIES[family].kinds else None)


def published(family: str) -> tuple[MetricCard, ...]:
    """The cards of a family with its published network; none where it has none."""
    name = FAMILIES[family].published
    return cards_of(family, scorer_name(name)) if name else ()
