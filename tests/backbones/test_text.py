from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from backbones.text import PAD, UNKNOWN, TextConfig, TextEncoder, Tokenizer, split_words

WORDS = ("a", "red", "cat", "café", "3d")


@pytest.fixture
def encoder() -> TextEncoder:
    return TextEncoder(TextConfig(ids=len(WORDS) + 2, length=5, width=16, heads=2, mlp_hidden=32)).eval()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A RED cat.", ["a", "red", "cat"]),
        ("t-shirt,hat_box", ["t", "shirt", "hat", "box"]),
        ("cafe\u0301 \uff33\uff2f", ["caf\u00e9", "so"]),
        ("  \n", []),
        ("3D 猫", ["3d", "猫"]),
    ],
)
def test_words(text: str, words: list[str]):
    assert split_words(text) == words


def test_ids_start_after_the_reserved_two_and_are_padded_and_cut():
    tokenizer = Tokenizer(WORDS, length=4)
    ids = tokenizer(["A red dog", "", "cat cat cat cat red"])
    assert ids.tolist() == [[2, 3, UNKNOWN, PAD], [PAD] * 4, [4, 4, 4, 4]]
    assert len(tokenizer) == int(ids.max()) + 3  # "café" and "3d" are unused


def test_unseen_words_are_those_outside_the_vocabulary_or_past_the_length():
    tokenizer = Tokenizer(WORDS, length=4)
    assert tokenizer.unseen("a red Dog and a dog") == ("dog", "and", "a")
    assert tokenizer.unseen("a red cat") == ()
    assert tokenizer.unseen("") == ()


@pytest.mark.parametrize(
    ("vocabulary", "complaint"), [(("a", "a"), "2 has only 1 distinct"), (("Red",), "'Red'"), (("two words",), "two")]
)
def test_a_vocabulary_that_could_never_match_is_refused(vocabulary: tuple[str, ...], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        Tokenizer(vocabulary)


def test_pooled_is_the_mean_over_the_real_words(encoder: TextEncoder):
    tokens, pooled, mask = encoder(Tokenizer(WORDS, 5)(["a red cat", "red"]))
    assert mask.sum(dim=1).tolist() == [3, 1]
    assert_close(pooled, torch.stack([tokens[0, :3].mean(dim=0), tokens[1, 0]]))


def test_the_null_prompt_is_finite_and_pools_to_its_own_learned_vector(encoder: TextEncoder):
    tokens, pooled, mask = encoder(Tokenizer(WORDS, 5)(["", "cat"]))
    assert not mask[0].any()
    assert tokens.isfinite().all()
    assert torch.equal(pooled[0], encoder.null_pooled)
    assert not torch.equal(pooled[1], encoder.null_pooled)


def test_the_null_prompt_trains_without_spoiling_gradients(encoder: TextEncoder):
    tokens, pooled, _ = encoder(Tokenizer(WORDS, 5)(["", "cat"]))
    (tokens.square().sum() + pooled.square().sum()).backward()
    grads = {name: weight.grad for name, weight in encoder.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert_close(grads["null_pooled"], 2 * encoder.null_pooled.detach())


def test_the_order_of_words_matters(encoder: TextEncoder):
    _, pooled, _ = encoder(Tokenizer(WORDS, 5)(["red cat", "cat red"]))
    assert (pooled[0] - pooled[1]).abs().max() > 1e-5


def test_another_length_is_refused(encoder: TextEncoder):
    with pytest.raises(ValueError, match="7 words a text; this encoder was built for 5"):
        encoder(torch.zeros(1, 7, dtype=torch.long))
