from __future__ import annotations

import pytest
import torch
from fid_network import COMPILED, FORMS, Case, answered, cases, world

from evalsuite.encoders.precision import DTYPE


def test_what_matters_most_runs_first_and_a_cpu_has_no_case_of_a_gpu():
    on_gpu = cases([64, 256], gpu=True)
    assert [(case.precision, case.batch) for case in on_gpu[:4]] == [
        ("tf32", 64),
        ("fp16", 64),
        ("fp32", 64),
        ("tf32", 64),
    ]
    assert [case.forms is COMPILED for case in on_gpu] == [False] * 3 + [True] + [False] * 3 + [True]
    forms = [form for case in cases([2], gpu=False) for form in case.forms.values()]
    assert not any(form.fused or form.tuned or form.recorded for form in forms)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there all forms run")
def test_a_form_that_does_not_run_here_is_said_and_the_others_go_on(capsys: pytest.CaptureFixture[str]):
    torch.manual_seed(0)
    with torch.no_grad():
        shared = world(torch.device("cpu"), 1)
        calls, off = answered(Case(DTYPE, 1, {name: FORMS[name] for name in ("plain", "folded", "fused")}), shared)
    assert list(calls) == ["plain", "folded"]
    assert off["plain"] == 0
    assert 0 < off["folded"] < 1e-5
    assert capsys.readouterr().out.startswith("fp32, batch 1, fused: ")
