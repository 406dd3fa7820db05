from __future__ import annotations

import pytest

from evalsuite.errors import InputError
from evalsuite.metric_names import in_full, parse
from evalsuite.scorers import ScorerName, scorer_name


def everywhere(name: ScorerName) -> bool:
    return True


def nowhere(name: ScorerName) -> bool:
    return False


@pytest.mark.parametrize(
    ("name", "family", "scorer"),
    [
        ("hps", "hps", None),
        ("hps@v2.1", "hps", "v2.1"),
        ("hps@v2", "hps", "v2.0"),
        ("hps@v2.0-noaa", "hps", "v2.0-noaa"),
        ("hps@v2.1-fp16", "hps", "v2.1-fp16"),
        ("fid@inception-pytorch-fid-tf32", "fid", "inception-pytorch-fid-tf32"),
        ("fid@inception", "fid", "inception-tf1"),
        ("fid@inception-pytorch-fid", "fid", "inception-pytorch-fid"),
        ("fd@dinov2", "fd", "dinov2-vitl14"),
        ("clip_score@vit-l-14", "clip_score", "vit-l-14-hf"),
        ("clip_direction@vit-l-14", "clip_direction", "vit-l-14-ip2p"),
        ("clip_score@ViT-B-32:laion2b_s34b_b79k", "clip_score", "ViT-B-32:laion2b_s34b_b79k-hf"),
        ("clip_score@hf:org/my-clip-letterbox", "clip_score", "hf:org/my-clip-letterbox"),
        ("clip_score@./clips/mine", "clip_score", "./clips/mine-hf"),
        ("v_variance", "v_variance", None),
        ("my_metrics:MEASURE", "my_metrics:MEASURE", None),
    ],
)
def test_names_say_family_and_network(name: str, family: str, scorer: str | None):
    found_family, found = parse(name)
    assert found_family == family
    assert (found and found.id) == scorer


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hsp", "did you mean 'hps'"),
        ("hsp@v2.1", "did you mean 'hps'"),
        ("hps@v3", "no scorer .v3.: known are scenes, v2.0"),
        ("hps@inception-tf1", "hps is not computed with inception-tf1; use hps@v2.1 or hps@scenes"),
        ("fid@vit-l-14", "fid is not computed with vit-l-14-hf"),
        ("fid@inception-nearest", "no scorer 'inception-nearest'"),
        ("v_variance@scenes", "looks at no image"),
    ],
)
def test_a_wrong_name_is_refused_with_a_remedy(name: str, words: str):
    with pytest.raises(InputError, match=words) as caught:
        parse(name)
    assert "\n" not in str(caught.value)


def test_published_networks_are_taken_where_their_weights_are_and_bundled_ones_elsewhere():
    names = ("hps", "clip_score", "clip_direction", "fid", "v_variance", "my:MEASURE")
    assert in_full(names, nowhere) == (
        "hps@scenes", "clip_score@scenes", "clip_direction@scenes", "fid@scenes", "v_variance", "my:MEASURE",
    )  # fmt: skip
    assert in_full(names, everywhere) == (
        "hps@v2.1", "clip_score@vit-l-14-hf", "clip_direction@vit-l-14-ip2p", "fid@inception-tf1", "v_variance",
        "my:MEASURE",
    )  # fmt: skip
    assert in_full(("hps@scenes",), everywhere) == ("hps@scenes",)


def test_a_name_in_full_stays_and_two_ways_to_say_one_metric_are_one():
    names = in_full(("hps", "fid", "hps@v2.1", "clip_score@ViT-B-32:openai"), everywhere)
    assert names == ("hps@v2.1", "fid@inception-tf1", "clip_score@ViT-B-32:openai-hf")
    assert in_full(names, nowhere) == names


def test_the_network_of_the_reference_is_the_one_to_compare_with():
    clean = scorer_name("inception-clean")
    assert in_full(("fid", "kid", "hps"), nowhere, clean) == (
        "fid@inception-clean",
        "kid@inception-clean",
        "hps@scenes",
    )
    with pytest.raises(InputError, match="fid is not computed with dinov2"):
        in_full(("fid",), everywhere, scorer_name("dinov2-vitl14"))


def test_another_backend_runs_every_hps():
    assert in_full(("hps@v2.0", "hps"), everywhere, backend="hpsv2") == ("hps@v2.0-hpsv2", "hps@v2.1-hpsv2")
    assert in_full(("hps@scenes", "fid"), nowhere, backend="hpsv2") == ("hps@scenes", "fid@scenes")
