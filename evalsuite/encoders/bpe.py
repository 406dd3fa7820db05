"""A byte-pair vocabulary of our own size, in the file format that open_clip's SimpleTokenizer reads.

Pairs are merged by frequency (arXiv:1508.07909), on the words as SimpleTokenizer cuts and cleans them.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

Pair = tuple[str, str]
Word = tuple[str, ...]

BYTE_TOKENS = 512
"""Every byte, alone and at the end of a word: no text is outside the vocabulary."""
SPECIAL_TOKENS = 2
"""Start and end of text. The end has the greatest id: CLIP's pooling looks for it there."""


def vocabulary_size(merges: int) -> int:
    """Number of tokens of a vocabulary with this many merges."""
    return BYTE_TOKENS + merges + SPECIAL_TOKENS


def learn_bpe(texts: Iterable[str], merges: int) -> list[Pair]:
    """The most frequent pairs of neighbouring symbols, in the order in which they are to be merged.

    Args:
        texts: captions; a word counts as often as it occurs.
        merges: at most this many pairs; fewer when every word has become one symbol.

    Returns:
        Pairs; ties go to the pair that sorts first, so that the result depends on nothing else.
    """
    words = _words(texts)
    learnt: list[Pair] = []
    while len(learnt) < merges:
        pairs: Counter[Pair] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learnt.append(best)
        merged: Counter[Word] = Counter()
        for word, count in words.items():
            merged[_merge(word, best)] += count
        words = merged
    return learnt


def write_bpe(path: Path, merges: Sequence[Pair]) -> None:
    """Write merges for SimpleTokenizer: a header line, then one pair per line; the same bytes each time."""
    # A line break at the end would be read as one more, empty, merge.
    lines = "\n".join(["#version: 0.2", *(f"{first} {second}" for first, second in merges)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines.encode("utf-8"), mtime=0))


def read_tokenizer(path: Path, context_length: int) -> SimpleTokenizer:
    """The tokenizer over a merges file; texts longer than ``context_length`` keep their end token."""
    return SimpleTokenizer(bpe_path=str(path), context_length=context_length)


def _words(texts: Iterable[str]) -> Counter[Word]:
    cutter = SimpleTokenizer()
    words: Counter[Word] = Counter()
    for text, count in Counter(texts).items():
        for match in cutter.pat.finditer(cutter.clean_fn(text)):
            symbols = [cutter.byte_encoder[byte] for byte in match.group().encode("utf-8")]
            words[(*symbols[:-1], symbols[-1] + "</w>")] += count
    return words


def _merge(word: Word, pair: Pair) -> Word:
    merged: list[str] = []
    position = 0
    while position < len(word):
        width = 2 if word[position : position + 2] == pair else 1
        merged.append("".join(word[position : position + width]))
        position += width
    return tuple(merged)
