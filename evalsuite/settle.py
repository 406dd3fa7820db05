"""Which network each metric is computed with, settled before any work: what is missing is said at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evalsuite.encoders.scorer import absent, is_here
from evalsuite.errors import InputError
from evalsuite.metric_names import in_full, parse
from evalsuite.scorers import ScorerName, scorer_name
from evalsuite.spec import RunSpec


def settled(spec: RunSpec) -> RunSpec:
    """The spec with its metrics in full.

    A family that is named without a network gets its published one when the weights are on this machine (and, where it
    compares, a reference was named), else the bundled one.

    Raises:
        InputError: an unknown metric, weights that are not here, a reference that cannot be read or is of a network
            that cannot serve a metric.
    """
    compared_by = _maker(spec.reference)
    given = spec.weights

    def here(name: ScorerName) -> bool:
        compares = name.kind in ("inception", "dinov2")
        return is_here(name, given) and (not compares or spec.reference is not None)

    backend = "" if spec.hps_backend == "open_clip" else spec.hps_backend
    metrics = in_full(spec.metrics, here, compared_by, backend)
    for metric in metrics:
        scorer = parse(metric)[1]
        if scorer is not None and (reason := absent(scorer, given)):
            raise InputError(reason)
    return replace(spec, metrics=metrics)


def _maker(reference: str | None) -> ScorerName | None:
    """The network that made a statistics file; None for images, which fit every network."""
    if reference is None or Path(reference).is_dir():
        return None
    from evalsuite.reference import load_reference

    return scorer_name(load_reference(Path(reference)).extractor)
