"""What each number of a probe is, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

VERSION = 1
"""Raised when the same predictions give another number; part of every protocol."""
SQUARED = "squared latent"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One kind of number.

    Attributes:
        key: short name, in metric ids.
        title: for headings.
        where: whether it is of the bank or of sampling paths.
        unit: of its value.
        higher_is_better: None where neither direction is better.
        meaning: what it is at a time, and what over all of them.
        least: the smallest possible value: intervals end there. None where there is none.
        most: the largest.
    """

    key: str
    title: str
    where: Literal["bank", "path"]
    unit: str
    higher_is_better: bool | None
    meaning: str
    least: float | None = None
    most: float | None = None

    @property
    def of_one_space(self) -> bool:
        """Whether it has the latents' own scale, so that it may only be compared within one latent space."""
        return self.unit == SQUARED

    @property
    def fields(self) -> tuple[str, ...]:
        """Those that it is reported for, where a model and the pictures allow it; none for V_target."""
        if self.key == "v_target":
            return ("",)
        return ("conditional", "unconditional") if self.where == "bank" else ("guided", "conditional", "unconditional")

    def metric(self, field: str) -> str:
        """The metric's id for a field."""
        return f"probe_{self.key}@{self.where}" if self.key == "v_target" else f"probe_{self.key}_{field}@{self.where}"


_ALL = (
    Quantity("mse", "Error of the velocity", "bank", SQUARED, False,
             "mean |prediction - v|^2 per dimension: what cannot be known, and the model's excess over it", least=0.0),
    Quantity("r2", "R²", "bank", "1", True,
             "1 - MSE / Var(v); Var(v) = 1 + the variance of x0 about its channels' means over the bank", most=1.0),
    Quantity("slope", "Calibration slope", "bank", "1", None,
             "covariance of prediction and v over the variance of the prediction, about channel means: 1 for an exact"
             " conditional mean on any data, above 1 where predictions are too faint, below where they are too strong"),
    Quantity("v_noise", "V_noise", "bank", SQUARED, None,
             "variance of the prediction over the noise, at fixed x0", least=0.0),
    Quantity("v_target", "V_target", "bank", SQUARED, None,
             "variance of the target over the noise, at fixed x0: exactly 1 for e - x0"),
    Quantity("bias", "Bias part of the error", "bank", SQUARED, None,
             "mean square of the error's mean over the noise, at fixed x0, unbiased"),
    Quantity("noise", "Noise part of the error", "bank", SQUARED, None,
             "variance of the error over the noise, at fixed x0; MSE = noise part + bias part", least=0.0),
    Quantity("cv_t", "Variation of the error over time", "bank", "ratio", None,
             "standard deviation of MSE(t) over the bank's times, over its mean: read it with the curve", least=0.0),
    Quantity("ns", "NS: straightness without scale", "path", "ratio", None,
             "S over |mean velocity|^2, a ratio of sums over paths; 0 is straight", least=0.0),
    Quantity("s", "S: straightness", "path", SQUARED, None,
             "mean over the path of |v - mean velocity|^2 per dimension; at a time, that deviation", least=0.0),
    Quantity("cosine", "Cosine from step to step", "path", "cosine", None,
             "cosine of the velocities of two steps that follow each other; over all, its mean", least=-1.0, most=1.0),
    Quantity("change", "Relative change", "path", "per unit time", None,
             "|v' - v| / (|v'| dt) of two steps that follow each other; over all, each path's largest", least=0.0),
)  # fmt: skip
QUANTITIES: Mapping[str, Quantity] = MappingProxyType({quantity.key: quantity for quantity in _ALL})
SUMMARY = ("mse", "r2", "slope", "cv_t", "ns", "s")
"""Shown on a terminal; the files have all."""
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "conditional": "told each picture's caption",
        "unconditional": "told the null prompt",
        "guided": "null + guidance x (conditional - null): what samplers follow; it is no conditional expectation",
    }
)


def of_metric(metric: str) -> tuple[Quantity, str]:
    """The quantity and the field of a metric's id; the field of V_target is empty."""
    for quantity in QUANTITIES.values():
        for field in quantity.fields:
            if quantity.metric(field) == metric:
                return quantity, field
    raise KeyError(metric)


def cards() -> Iterator[tuple[str, Quantity]]:
    """Metric ids with an asterisk for the field, and what they are."""
    for quantity in QUANTITIES.values():
        yield quantity.metric("*"), quantity
