import numpy as np
import pytest

from backbones.training.artwork import STYLES
from backbones.training.names import NAMES


@pytest.fixture(scope="session")
def sprites(tmp_path_factory):
    """A full set of tiny made-up drawings: a disc whose colour tells style and name apart."""
    side = 16
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    disc = (x**2 + y**2 < (side / 2) ** 2) * 255
    drawings = np.zeros((len(STYLES), len(NAMES), side, side, 4), np.uint8)
    drawings[..., 3] = disc
    drawings[..., 0] = np.arange(len(NAMES))[None, :, None, None]
    drawings[..., 1] = (np.arange(len(STYLES)) * 100)[:, None, None, None]
    path = tmp_path_factory.mktemp("artwork") / "sprites.npy"
    np.save(path, drawings)
    return path
