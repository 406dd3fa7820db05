from __future__ import annotations

import pytest
import torch

from evalsuite.encoders.upload import passes, placed

CPU = torch.device("cpu")


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_passes_have_one_shape_and_format_and_hold_every_row_once(n: int):
    rows = torch.arange(n * 3 * 2 * 5).view(n, 2, 5, 3).permute(0, 3, 1, 2)  # as decoders leave images
    found = list(passes(rows, 4, CPU))
    assert all(batch.shape == (4, 3, 2, 5) and batch.is_contiguous() for batch, _ in found)
    torch.testing.assert_close(torch.cat([batch[:count] for batch, count in found]), rows)
    batch, count = found[-1]
    assert all(torch.equal(row, rows[-1]) for row in batch[count:])


def test_rows_that_are_there_are_not_copied():
    rows = torch.zeros(2, 3)
    assert placed(rows, CPU) is rows
