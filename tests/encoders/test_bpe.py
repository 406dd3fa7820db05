from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from open_clip.tokenizer import SimpleTokenizer

from evalsuite.encoders.bpe import learn_bpe, read_tokenizer, vocabulary_size, write_bpe


def test_most_frequent_pair_is_merged_first():
    # low x5, lower x2, newest x6, widest x3: the example of arXiv:1508.07909, where "es" leads.
    texts = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    assert learn_bpe(texts, 3) == [("e", "s"), ("es", "t</w>"), ("l", "o")]


def test_learning_ends_when_every_word_is_one_symbol():
    assert learn_bpe(["ab ab", "abc"], 50) == [("a", "b</w>"), ("a", "b"), ("ab", "c</w>")]


def test_order_of_texts_does_not_matter():
    texts = ["a red cat", "a blue dog", "ééé 12 !?"]
    assert learn_bpe(texts, 20) == learn_bpe(texts[::-1], 20)


def test_file_round_trip_and_bytes(tmp_path: Path):
    merges = learn_bpe(["a red cat on a white background"], 60)
    write_bpe(tmp_path / "one.gz", merges)
    write_bpe(tmp_path / "two.gz", merges)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    tokenizer = read_tokenizer(tmp_path / "one.gz", 40)
    assert list(tokenizer.bpe_ranks) == merges
    assert tokenizer.vocab_size == vocabulary_size(len(merges))
    assert tokenizer.eot_token_id == tokenizer.vocab_size - 1


@pytest.mark.parametrize("text", ["a red cat", "An UNSEEN word", "naïve café 猫 🐱 x² {}"])
def test_every_text_survives_decoding(vocabulary: Path, text: str):
    tokenizer = read_tokenizer(vocabulary, 77)
    assert (
        tokenizer.decode(tokenizer.encode(text)).split()
        == SimpleTokenizer().decode(SimpleTokenizer().encode(text)).split()
    )


def test_known_words_are_one_token_each(vocabulary: Path):
    tokenizer = read_tokenizer(vocabulary, 40)
    assert len(tokenizer.encode("a red cat on a white background")) == 7
    assert Counter(tokenizer.encode("a cat, a dog"))[tokenizer.encode("a")[0]] == 2
