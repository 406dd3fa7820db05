"""What each metric means, in words; imports nothing heavy, so that listing them is instant."""

from __future__ import annotations

from dataclasses import dataclass


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
SCENES = (
    "the bundled scorer, trained on captioned emoji scenes; it sees colours, numbers and layout, hardly tells names "
    "apart yet, and says little about other pictures"
)

HPS = MetricCard(
    name="hps@scenes",
    title="Preference score",
    meaning=(
        "100 x cosine of image and prompt after a preference head. The head was trained by HPSv2's pairwise recipe, on "
        f"synthetic preferences (a real render over a degraded or wrong one), over {SCENES}. Not the published HPS."
    ),
    range="-100 to 100",
    unit="100 x cosine",
    higher_is_better=True,
    comparable="same prompts, sizes and protocol; not with hps@v2 or hps@v2.1",
    interval=MEAN_INTERVAL,
    sources=("arXiv:2306.09341",),
)
CLIP_SCORE = MetricCard(
    name="clip_score@scenes",
    title="CLIP score",
    meaning=f"Mean of 100 x max(cosine of image and prompt, 0) under {SCENES}. Long prompts keep their end token.",
    range="0 to 100",
    unit="100 x cosine",
    higher_is_better=True,
    comparable="same prompts, sizes and protocol; not with a CLIP score of another network",
    interval=MEAN_INTERVAL,
    sources=("arXiv:2104.08718",),
)
CLIP_DIRECTION = MetricCard(
    name="clip_direction@scenes",
    title="CLIP directional similarity",
    meaning=(
        "Mean cosine between the change of the image and the change of its prompt: features of unit length are "
        "subtracted, an edited prompt's image minus its base prompt's at the same size and seed. Pairs in which either "
        "change is shorter than 0.001 have no direction; they are left out and counted."
    ),
    range="-1 to 1",
    unit="cosine",
    higher_is_better=True,
    comparable="same prompt pairs, sizes and protocol; read beside clip_image_similarity, as drastic change raises it",
    interval=MEAN_INTERVAL,
    sources=("arXiv:2108.00946", "arXiv:2211.09800"),
)
CLIP_IMAGE_SIMILARITY = MetricCard(
    name="clip_image_similarity@scenes",
    title="CLIP image similarity",
    meaning="Mean cosine between the image of an edited prompt and that of its base prompt at the same size and seed.",
    range="-1 to 1",
    unit="cosine",
    higher_is_better=None,
    comparable="same prompt pairs, sizes and protocol",
    interval=MEAN_INTERVAL,
    sources=("arXiv:2211.09800",),
)
FID = MetricCard(
    name="fid@scenes",
    title="Frechet distance",
    meaning=(
        "Frechet distance of Gaussians fitted to the features of the images and of reference renders in the same mix "
        f"of aspect ratios, under {SCENES}. It falls with the number of images whatever their quality. "
        "Not the published FID."
    ),
    range="0 and up",
    unit="squared feature distance",
    higher_is_better=False,
    comparable="equal number of images, same prompts, sizes, reference and protocol",
    interval="95 % Student t from influence functions, clustered by prompt, for the expected distance at this n",
    sources=("arXiv:1706.08500", "arXiv:1911.07023"),
)
FID_INFINITY = MetricCard(
    name="fid_infinity@scenes",
    title="Frechet distance without sampling bias",
    meaning=(
        "fid extrapolated to infinitely many images: twice the distance at n images minus the mean distance at n / 2, "
        "over random halves of the prompts. Given from twice as many images as feature dimensions on."
    ),
    range="about 0 and up",
    unit="squared feature distance",
    higher_is_better=False,
    comparable="same prompts, sizes, reference and protocol",
    interval="95 % Student t from influence functions, clustered by prompt",
    sources=("arXiv:1911.07023",),
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

CARDS: dict[str, tuple[MetricCard, ...]] = {
    "hps": (HPS,),
    "clip_score": (CLIP_SCORE,),
    "clip_direction": (CLIP_DIRECTION, CLIP_IMAGE_SIMILARITY),
    "fid": (FID, FID_INFINITY),
    "v_variance": (V_VARIANCE, V_VARIANCE_CONDITIONAL),
}
"""Of every metric of the catalogue: the headline first, then its companions."""
