"""Names and units of what rows tell, and how a row is made."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evalsuite.rows import Row

FLOP, BYTES, PIXELS, TIMES, SECONDS = "FLOP", "bytes", "pixels", "times", "seconds"
FORWARD, CORE, PROJECTIONS = "forward", "attention_core", "attention_projections"
MLP, CONVOLUTION, OTHER = "mlp", "convolution", "other"
TEXT, VAE, PICTURE = "text", "vae", "picture"
TOKENS, SOFTMAX, LINEAR = "tokens", "forward_softmax", "forward_linear"
PIXEL, PIXEL_PICTURE = "forward_in_pixels", "picture_in_pixels"
DOUBLED_TOKENS, DOUBLED_CORE, DOUBLED_REST = "doubled_tokens", "doubled_attention_core", "doubled_rest"
DOUBLED_FORWARD, DOUBLED_LINEAR = "doubled_forward", "doubled_linear_core"
OVERTAKES, LINEAR_PAYS = "attention_core_overtakes_rest", "linear_attention_pays"
PARAMETERS, WEIGHTS, TEXT_WEIGHTS, VAE_WEIGHTS = "parameters", "weights", "text_weights", "vae_weights"
ACTIVATIONS, VAE_ACTIVATIONS = "activations", "vae_activations"
LIMIT, PASS, VAE_PASS, SHARE, PEAK = "matrix_limit", "pass_seconds", "vae_seconds", "share_of_limit", "activations_seen"

UNITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((FORWARD, CORE, PROJECTIONS, MLP, CONVOLUTION, OTHER), FLOP),
        **dict.fromkeys((TEXT, VAE, PICTURE, SOFTMAX, LINEAR, PIXEL, PIXEL_PICTURE), FLOP),
        **dict.fromkeys((DOUBLED_TOKENS, DOUBLED_CORE, DOUBLED_LINEAR, DOUBLED_REST, DOUBLED_FORWARD), TIMES),
        **dict.fromkeys((OVERTAKES, LINEAR_PAYS), PIXELS),
        **dict.fromkeys((WEIGHTS, TEXT_WEIGHTS, VAE_WEIGHTS, ACTIVATIONS, VAE_ACTIVATIONS, PEAK), BYTES),
        **dict.fromkeys((PASS, VAE_PASS), SECONDS),
        TOKENS: "tokens",
        PARAMETERS: "numbers",
        LIMIT: "FLOP/s",
        SHARE: "fraction",
    }
)
COUNTED = "counted on the meta device, 2 FLOP a multiply-add, 1 row"
SOLVED = "solved from the polynomial through counts on the meta device"
WHOLE = "all"


def row(
    model: str,
    metric: str,
    slice: str,
    value: float | None,
    protocol: str = COUNTED,
    note: str = "",
    n: int = 1,
    span: tuple[float, float] | None = None,
) -> Row:
    """A row; what was measured has the passes ``n`` that it rests on, and of seconds the fastest and the slowest."""
    return Row(
        model=model,
        metric=metric,
        slice=slice,
        value=value,
        low=None if span is None else span[0],
        high=None if span is None else span[1],
        n=n,
        unit=UNITS[metric],
        higher_is_better={SHARE: True, PASS: False, VAE_PASS: False, PEAK: False}.get(metric),
        protocol=protocol,
        method="" if span is None else "median; from the fastest to the slowest",
        note=note,
    )
