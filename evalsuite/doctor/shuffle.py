"""Wrong prompts for images: those of other images, none its own; and its own with one word changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from evalsuite.digest import digest

ARTICLES = frozenset({"a", "an"})
"""A name takes its article with it: ``a fox`` and ``an owl`` differ by one word."""


def deranged(kinds: Sequence[Hashable]) -> list[int] | None:
    """A permutation (n,) that gives no place one of its own kind: the same for the same kinds.

    Places are put in an order that scatters the kinds but keeps each together, and every place gets what stands as many
    further as the largest kind has members.

    Args:
        kinds: (n,) what must differ, such as texts.

    Returns:
        For each place the one that it gets, or None where a kind has more than half of the places.
    """
    n = len(kinds)
    shift = max(Counter(kinds).values(), default=0)
    if n < 2 or 2 * shift > n:
        return None
    first: dict[Hashable, int] = {}
    for place, kind in enumerate(kinds):
        first.setdefault(kind, place)
    order = sorted(range(n), key=lambda place: (digest([str(kinds[place]), first[kinds[place]]]), place))
    found = [0] * n
    for position, place in enumerate(order):
        found[place] = order[(position + shift) % n]
    return found


def shuffled(texts: Sequence[str], families: Sequence[str]) -> list[str] | None:
    """For each prompt (n,) the text of another: never an equal one, nor one of its own family where that can be.

    Families of equal size swap their texts member by member, so that an edit and its base get an edit and its base.

    Args:
        texts: of the prompts.
        families: of each, its base's id or its own.

    Returns:
        None where more than half of the prompts have one text.
    """
    places = deranged(_related(texts, families)) or deranged(texts)
    return None if places is None else [texts[place] for place in places]


def one_word_changed(texts: Sequence[str], pool: Iterable[str]) -> list[str | None]:
    """Each text (n,) with one word exchanged for another that the pool has between the same two neighbours.

    Of the words that can be exchanged the rarest is, which is a name rather than a colour; articles follow.

    Args:
        texts: prompts.
        pool: prompts of the same set.

    Returns:
        None for a text with no such word.
    """
    known: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)  # neighbours to word to the article before it
    counts: Counter[str] = Counter()
    for text in sorted(set(pool)):
        words = text.split()
        counts.update({word.casefold() for word in words})
        for place, word in enumerate(words):
            known[_neighbours(words, place)].setdefault(word, words[place - 1] if place else "")
    return [_changed(text, known, counts) for text in texts]


def _changed(text: str, known: Mapping[tuple[str, str], Mapping[str, str]], counts: Mapping[str, int]) -> str | None:
    words = text.split()
    slots = []
    for place, word in enumerate(words):
        others = [other for other in known.get(_neighbours(words, place), ()) if other.casefold() != word.casefold()]
        others = [other for other in others if other.casefold() not in ARTICLES]
        if others and word.casefold() not in ARTICLES:
            slots.append((counts.get(word.casefold(), 0), place, others))
    if not slots:
        return None
    _, place, others = min(slots)
    plural = words[place].endswith("s")
    chosen = min(others, key=lambda other: (other.endswith("s") != plural, digest([text, other])))
    before = words[:place]
    if before and before[-1].casefold() in ARTICLES:
        article = known[_neighbours(words, place)][chosen]
        before[-1] = article.capitalize() if before[-1][0].isupper() else article.casefold()
    return " ".join([*before, chosen, *words[place + 1 :]])


def _neighbours(words: Sequence[str], place: int) -> tuple[str, str]:
    """The words before and after, an article as ``a``; empty at the ends."""
    before = words[place - 1].casefold() if place else ""
    after = words[place + 1].casefold() if place + 1 < len(words) else ""
    return "a" if before in ARTICLES else before, after


def _related(texts: Sequence[str], families: Sequence[str]) -> list[int]:
    """A number for each prompt (n,): the same where two share a text or a family, or are linked by others that do."""
    leader = list(range(len(texts)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for shared in (texts, families):
        first: dict[str, int] = {}
        for place, name in enumerate(shared):
            one, other = sorted((find(place), find(first.setdefault(name, place))))
            leader[other] = one
    return [find(place) for place in range(len(texts))]
