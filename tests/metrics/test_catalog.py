from __future__ import annotations

import subprocess
import sys

import pytest
from torchmetrics import Metric

import evalsuite.metrics
from evalsuite.metrics import CATALOG, cards
from evalsuite.metrics.base import USES
from evalsuite.registry import METRICS


def test_every_metric_has_its_cards_in_their_order():
    for name in CATALOG:
        measures = METRICS.load(name).MEASURES
        assert tuple(measure.card for measure in measures) == cards.CARDS[name]
        assert measures[0].card is METRICS.load(name).CARD
        assert all(measure.uses <= set(USES) for measure in measures)
    assert list(cards.CARDS) == list(CATALOG)


def test_names_are_unique_and_say_what_they_rest_on():
    names = [card.name for own in cards.CARDS.values() for card in own]
    assert len(set(names)) == len(names)
    assert {name.partition("@")[2] for name in names} == {"scenes", "trajectory"}


def test_classes_load_by_name():
    for name in set(evalsuite.metrics.__all__) - {"CATALOG"}:
        assert issubclass(getattr(evalsuite.metrics, name), Metric)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        evalsuite.metrics.Nothing  # noqa: B018


def test_cards_import_nothing_heavy():
    code = "import sys, evalsuite.metrics.cards; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
