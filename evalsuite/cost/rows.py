"""What was counted of one subject, as rows: the parts of a forward, a whole picture, tokens, memory."""

from __future__ import annotations

from collections.abc import Iterator

from evalsuite.cost import names
from evalsuite.cost.count import Counts
from evalsuite.cost.curves import Curves
from evalsuite.cost.memory import parameters, weight_bytes
from evalsuite.cost.names import row
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import Size
from evalsuite.models import TORCH_DTYPES
from evalsuite.rows import Row

WEIGHTS = {"denoiser": names.WEIGHTS, "text": names.TEXT_WEIGHTS, "vae": names.VAE_WEIGHTS}


def whole(counts: Counts, plan: Plan) -> Iterator[Row]:
    """What holds at every size: weights, and the text of a prompt."""
    subject, networks = counts.subject, counts.subject.networks
    count = parameters(network.module for network in networks.values())
    yield row(subject.name, names.PARAMETERS, names.WHOLE, count, "of the configuration")
    for kind, network in networks.items():
        dtype = "fp32" if network.exact else plan.dtype
        size = weight_bytes([network.module], TORCH_DTYPES[dtype].itemsize)
        yield row(subject.name, WEIGHTS[kind], names.WHOLE, size, f"in {dtype}")
    if subject.text is not None:
        yield row(subject.name, names.TEXT, names.WHOLE, text(counts))


def at(counts: Counts, curves: Curves, plan: Plan, size: Size) -> Iterator[Row]:
    """What holds at a size that the subject's stride divides."""
    name, found, where = counts.subject.name, counts.split("denoiser", size), size.slice
    for metric, value in (
        (names.FORWARD, found.total), (names.CORE, found.core), (names.PROJECTIONS, found.projections),
        (names.MLP, found.mlp), (names.CONVOLUTION, found.convolution), (names.OTHER, found.other),
    ):  # fmt: skip
        yield row(name, metric, where, value)
    if counts.subject.vae is not None:
        yield row(name, names.VAE, where, counts.split("vae", size).total)
    passes, asked = plan.predictions(counts.subject), plan.asked(counts.subject)
    said = f"{passes} predictions of {asked} row{'s' if asked > 1 else ''}; text and VAE once"
    yield row(name, names.PICTURE, where, picture(counts, plan, size), note=said)
    yield _tokens(counts, curves, size)
    yield from _memory(counts, plan, size)


def picture(counts: Counts, plan: Plan, size: Size, in_pixels: bool = False) -> int:
    """FLOP of one picture: all predictions, the text and the decoding once.

    Args:
        counts: of the subject.
        plan: how it is sampled.
        size: of the picture.
        in_pixels: for the same network on pixels in place of latents; then nothing is decoded.
    """
    subject = counts.subject
    passes = plan.predictions(subject) * plan.asked(subject)
    within = size.times(subject.factor) if in_pixels else size
    vae = 0 if in_pixels or subject.vae is None else counts.split("vae", size).total
    return passes * counts.split("denoiser", within).total + text(counts) + vae


def text(counts: Counts) -> int:
    """FLOP of one prompt's text; the null prompt's is made once a run, not for every picture."""
    least = Size(counts.subject.stride, counts.subject.stride)
    return 0 if counts.subject.text is None else counts.split("text", least).total


def _tokens(counts: Counts, curves: Curves, size: Size) -> Row:
    """Tokens of the picture: those of the longest attention, less the ones that are there at any size."""
    name, longest, words = counts.subject.name, counts.split("denoiser", size).longest, curves.words()
    if not longest:
        return row(name, names.TOKENS, size.slice, None, note="no attention")
    if words is None:
        return row(name, names.TOKENS, size.slice, longest, note="with those of text, if there are any")
    return row(name, names.TOKENS, size.slice, longest - words, note=f"beside {words} of text" if words else "")


def _memory(counts: Counts, plan: Plan, size: Size) -> Iterator[Row]:
    subject, rows = counts.subject, plan.rows(counts.subject)
    said = "alive at once, followed on the meta device, attention fused, {}, {} row{}"
    protocol = said.format(plan.dtype, rows, "s" if rows > 1 else "")
    yield row(subject.name, names.ACTIVATIONS, size.slice, counts.activations("denoiser", size, rows), protocol)
    if subject.vae is not None:
        dtype = "fp32" if subject.vae.exact else plan.dtype
        protocol = said.format(dtype, plan.batch, "s" if plan.batch > 1 else "")
        yield row(
            subject.name, names.VAE_ACTIVATIONS, size.slice, counts.activations("vae", size, plan.batch), protocol
        )
