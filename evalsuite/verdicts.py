"""What a comparison says in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.paired import FEW, TIE
from evalsuite.resample import EXACT, FLIPS, RESAMPLES
from reports.digits import MAX_DECIMALS, Number, decimals

if TYPE_CHECKING:
    from evalsuite.compare import Comparison, Refusal
    from evalsuite.difference import Difference

LISTED = 3
LEAST_P = 1e-4
INTERVALS = (
    f"Intervals are 95 %, over prompt families: of means by bootstrap-t ({RESAMPLES} resamples; Student's t under "
    f"{FEW} families), of ratios and distances by Student's t of influences."
)
TESTS = (
    f"p is two-sided: of means by sign flips of prompt families (all of them up to {EXACT} families, else {FLIPS}), of "
    "ratios and distances by Student's t"
)
VISIBLE = (
    "visible: the smallest true difference that a run like this sees with a chance of 80 %, for one metric alone "
    "(level 0.05, before Holm); to settle: prompts with which a difference as large as the one here would be seen so."
)
TIES = (
    f"W/T/L counts image pairs that the first wins, ties and loses; within {TIE:.0%} of the scores' standard deviation "
    "they tie."
)


def number(value: float | None, digits: int, sign: bool = False) -> str:
    """A value at a number of decimals, in powers of ten beyond six of them; a dash where there is none."""
    if value is None:
        return "-"
    if digits > MAX_DECIMALS:
        return f"{value:{'+' if sign else ''}.2e}"
    text = f"{value:{'+' if sign else ''}.{max(digits, 0)}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def digits_of(d: Difference) -> int:
    """Decimals that the difference's interval supports."""
    if d.low is None or d.high is None or d.low == d.high:
        return decimals([Number(value, None, None, d.n) for value in (d.a, d.b)])
    return decimals([Number((d.low + d.high) / 2, d.low, d.high, d.n)])


def p_words(p: float | None) -> str:
    """``0.012``, ``<0.0001``."""
    if p is None:
        return "-"
    if p < LEAST_P:
        return f"<{LEAST_P:f}".rstrip("0")
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def sentence(d: Difference) -> str:
    """What one difference says."""
    digits = digits_of(d)
    if d.verdict == "untested":
        return f"not tested: {d.note or 'one prompt family has no interval'}"
    if d.verdict == "none":
        if d.value == 0 and not d.error:
            return f"the same on all {d.n} images"
        seen = f"; one of {number(d.visible, digits)} would be, with a chance of 80 %" if d.visible else ""
        return f"no difference seen ({number(d.value, digits, True)}, {_limits(d, digits)}, {_p(d)}){seen}"
    if d.verdict == "differs":
        return f"{d.first} and {d.second} differ ({number(d.value, digits, True)}, {_limits(d, digits)}, {_p(d)})"
    return f"{_winner(d)} is better ({_by(d)})"


def headline(whole: Comparison) -> str:
    """The verdict on all images, in a sentence."""
    if len(whole.labels) > 2:
        return _of_rankings(whole)
    return headline_of_two(whole.labels, whole.differences, whole.refused)


def headline_of_two(labels: Sequence[str], differences: Iterable[Difference], refused: Iterable[Refusal]) -> str:
    """The verdict on two sides: their labels, all differences, and what was not compared."""
    found = [d for d in differences if d.slice == "all"]
    tested = [d for d in found if d.verdict != "untested"]
    parts = []
    for label in labels:
        ahead = [d for d in tested if d.verdict in ("better", "worse") and _winner(d) == label]
        if ahead:
            parts.append(f"{label} is better on {_join(f'{d.metric} ({_by(d)})' for d in ahead)}")
    if changed := [d for d in tested if d.verdict == "differs"]:
        parts.append(f"they differ on {_join(d.metric for d in changed)}, of which neither direction is better")
    if unseen := [d.metric for d in tested if d.verdict == "none"]:
        same = all(d.value == 0 and not d.error for d in tested)
        parts.append(f"{'the same scores on every image' if same else 'no difference seen'} on {_join(unseen)}")
    if rest := [d.metric for d in found if d.verdict == "untested"]:
        parts.append(f"not tested: {_join(rest)}")
    if left := list(dict.fromkeys(refusal.metric for refusal in refused if refusal.slice == "all")):
        parts.append(f"not compared: {_join(left)}")
    text = f"{'; '.join(parts)}."
    return text if any(text.startswith(label) for label in labels) else text[0].upper() + text[1:]


def notes(whole: Comparison) -> Iterator[str]:
    """What a reader must know to judge the numbers, the comparison's own caveats first."""
    yield from _caveats(whole)
    if len(whole.labels) == 2:
        yield f"Differences are {whole.labels[0]} minus {whole.labels[1]}. {INTERVALS}"
        yield f"{TESTS}; Holm over {_families(whole.differences)}. A difference is seen (*) where p and interval agree."
        yield f"{VISIBLE} {TIES}"
    else:
        yield (
            "Models that share a letter cannot be told apart: all pairs of models were tested, with Holm over the "
            f"pairs of each metric and slice, on the images that all have. {TESTS}."
        )


def _caveats(whole: Comparison) -> Iterator[str]:
    refused: dict[str, list[Any]] = {}
    for refusal in whole.refused:
        if refusal.slice == "all":
            refused.setdefault(refusal.metric, []).append(refusal)
    for metric, several in refused.items():
        first, rest = several[0], len(several) - 1
        who = "" if len(whole.labels) == 2 else f" for {first.first} and {first.second}"
        also = f" ({rest} more pairs of models are not, too)" if rest else ""
        yield f"{metric} is not compared{who}: {first.why}{also}."
    if images := whole.unpaired:
        shown = [f"{image.prompt_id} {image.index} {_size(image)} ({image.why})" for image in images[:LISTED]]
        more = ", ..." if len(images) > LISTED else ""
        yield f"{len(images)} images have no partner and are left out: {', '.join(shown)}{more}."
    different, unknown = whole.seeds.different, whole.seeds.unknown
    if different:
        yield (
            f"Unpaired seeds: in {different} of {sum(whole.seeds)} pairs the two images began from other noise; the "
            "tests hold, and see less than with equal seeds."
        )
    if unknown:
        yield f"The seeds of {unknown} of {sum(whole.seeds)} pairs are not known."
    if whole.settings:
        shown = [f"{name} {_short(one)} / {_short(other)}" for name, one, other in whole.settings]
        yield f"Settings that differ: {', '.join(shown)}."
    for d in whole.differences:
        if d.note and d.slice == "all":
            yield f"{d.metric}: {d.note}."


def _families(differences: Sequence[Difference]) -> str:
    sizes = {d.slice.partition("=")[0]: d.family for d in differences}
    words = {"all": "the {} tests on all images", "aspect": "the {} by aspect ratio", "tag": "the {} by tag"}
    return ", ".join(words[kind].format(size) for kind, size in sizes.items())


def _of_rankings(whole: Comparison) -> str:
    parts = []
    for ranking in whole.rankings:
        if ranking.slice != "all":
            continue
        top = [place.label for place in ranking.places if "a" in place.letters]
        alike = all(place.letters == "a" for place in ranking.places)
        parts.append(f"{ranking.metric}: no two can be told apart" if alike else _top(ranking, top))
    return f"{'; '.join(parts)}." if parts else "No metric ranks all of them."


def _top(ranking: Any, top: Sequence[str]) -> str:
    what = "highest" if ranking.higher_is_better is None else "best"
    if len(top) == 1:
        return f"{ranking.metric}: {what} is {top[0]}"
    return f"{ranking.metric}: {what} is {top[0]}, not told apart from {_join(top[1:])}"


def _winner(d: Difference) -> str:
    return d.first if d.verdict == "better" else d.second


def _by(d: Difference) -> str:
    """The amount, as it favours the winner."""
    digits = digits_of(d)
    low, high = sorted(map(abs, (d.low or 0.0, d.high or 0.0)))
    return f"by {number(abs(d.value or 0.0), digits)}, 95 % {number(low, digits)} to {number(high, digits)}, {_p(d)}"


def _p(d: Difference) -> str:
    text = p_words(d.p_holm)
    return f"p {text.replace('<', '< ') if '<' in text else f'= {text}'}{' after Holm' if d.family > 1 else ''}"


def _limits(d: Difference, digits: int) -> str:
    return f"95 % {number(d.low, digits, True)} to {number(d.high, digits, True)}"


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)


def _size(image: Any) -> str:
    return f"{image.width}x{image.height}" if image.width else "of unknown size"


def _short(value: Any) -> str:
    text = str(value.get("name", value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
