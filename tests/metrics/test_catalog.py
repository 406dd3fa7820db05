from __future__ import annotations

import subprocess
import sys

import pytest
from torchmetrics import Metric

import evalsuite.metrics
from evalsuite.metrics import cards
from evalsuite.metrics.base import USES
from evalsuite.metrics.families import FAMILIES
from evalsuite.registry import METRICS
from evalsuite.scorers import scorer_name


def test_every_family_has_its_cards_in_their_order_with_every_kind_of_network():
    for family, about in FAMILIES.items():
        names = [name for name in (about.bundled, about.published) if name]
        for scorer in [scorer_name(name) for name in names] or [None]:
            measures = METRICS.load(family)(scorer)
            assert tuple(measure.card for measure in measures) == cards.cards_of(family, scorer)
            assert all(measure.uses <= set(USES) for measure in measures)
            assert all(measure.uses for measure in measures)


def test_names_are_unique_and_say_what_they_rest_on():
    names = [card.name for family in FAMILIES for card in [*cards.bundled(family), *cards.published(family)]]
    assert len(set(names)) == len(names)
    networks = {name.partition("@")[2] for name in names}
    assert networks >= {"scenes", "trajectory", "v2.1", "inception-tf1", "vit-l-14-hf", "vit-l-14-ip2p"}


def test_only_the_bundled_network_disclaims_published_names():
    for family, about in FAMILIES.items():
        if about.published and family in ("hps", "fid"):
            assert "Not the published" in cards.bundled(family)[0].meaning
            assert "Not the published" not in cards.published(family)[0].meaning


def test_classes_load_by_name():
    for name in set(evalsuite.metrics.__all__) - {"CATALOG"}:
        assert issubclass(getattr(evalsuite.metrics, name), Metric)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        evalsuite.metrics.Nothing  # noqa: B018


def test_cards_import_nothing_heavy():
    code = "import sys, evalsuite.metrics.cards; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
