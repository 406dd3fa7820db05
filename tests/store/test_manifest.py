"""``run.json``, sound and damaged."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.digest import canonical
from evalsuite.errors import InputError
from evalsuite.manifest import Manifest


def test_a_manifest_comes_back_as_it_was(manifest: Manifest):
    text = json.dumps(manifest.to_json()).encode()
    back = Manifest.from_json(text, "run.json")
    assert back.to_json() == manifest.to_json()
    assert back.units == manifest.units
    assert back.differences(manifest) == ""


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_manifest_is_refused_in_one_line_or_means_the_same(manifest: Manifest, data: st.DataObject):
    sound = json.dumps(manifest.to_json()).encode()
    place = data.draw(st.integers(0, len(sound) - 1))
    harmed = sound[:place] + data.draw(st.binary(max_size=3)) + sound[place + data.draw(st.integers(0, 3)) :]
    if _same_json(harmed, sound):
        assert Manifest.from_json(harmed, "run.json").to_json() == manifest.to_json()
        return
    with pytest.raises(InputError, match=r"^run\.json") as caught:
        Manifest.from_json(harmed, "run.json")
    assert "\n" not in str(caught.value)


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return canonical(json.loads(one)) == canonical(json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "{}", '{"format": 99}', '{"format": 1}', "[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused(text: str):
    with pytest.raises(InputError, match=r"run\.json"):
        Manifest.from_json(text.encode(), "run.json")
