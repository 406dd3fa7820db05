from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.spec import RunSpec


@pytest.fixture
def manifest(tiny: Callable[..., RunSpec]) -> Manifest:
    return prepare(tiny(), Shelf())


@pytest.fixture
def folder(manifest: Manifest) -> Path:
    return folder_of(manifest)
