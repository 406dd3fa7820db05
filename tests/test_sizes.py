from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.sizes import aspect_of, parse_aspect, parse_ratio


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        ((512, 512), "1:1"),
        ((1344, 768), "16:9"),
        ((768, 1344), "9:16"),
        ((1365, 768), "16:9"),
        ((512, 520), "1:1"),
        ((1000, 617), "81:50"),
        ((617, 1000), "50:81"),
        ((672, 288), "21:9"),
        ((1000, 429), "21:9"),
        ((5000, 1000), "5:1"),
        ((1, 64_000_000), "1:99999"),
    ],
)
def test_the_name_of_a_ratio(size: tuple[int, int], aspect: str):
    assert aspect_of(*size) == aspect


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_the_name_of_a_ratio_is_read_back_near_and_turns_with_the_image(width: int, height: int):
    aspect = aspect_of(width, height)
    assert aspect_of(height, width) == ":".join(reversed(aspect.split(":")))
    ratio = parse_ratio(aspect)
    if max(width, height) <= 99_999 * min(width, height):
        assert abs(ratio / (parse_ratio("1:1") * width / height) - 1) <= 0.031
    if 0.25 <= ratio <= 4:
        assert parse_aspect(aspect) == ratio


def test_a_size_without_pixels_has_no_ratio():
    with pytest.raises(ValueError, match="0x5 is no size"):
        aspect_of(0, 5)
