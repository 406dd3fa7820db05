from __future__ import annotations

import argparse
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from evalsuite.errors import InputError
from evalsuite.weights.catalogue import Weights
from evalsuite.weights.convert import convert


class Trap:
    """Leaves a file behind when its pickle is run."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: OrderedDict(state),
        lambda state: {"state_dict": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3},
        lambda state: {"model": state, "opt": {"step": 3}},
        lambda state: {"model": {"a": torch.zeros(1)}, "ema": state, "opt": {}, "args": argparse.Namespace(lr=0.1)},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_wrapping_gives_the_same_tensors(wrap: Callable[..., Any], zipped: bool, tensors, tmp_path: Path):
    torch.save(wrap(tensors), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) and found[key].dtype == tensors[key].dtype for key in tensors)


def test_tied_sliced_and_transposed_tensors_are_written_out(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    state = {"a": base, "tied": base, "slice": base[1:, :2], "turned": base.T}
    torch.save(state, tmp_path / "w.pt")
    convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_a_prefix_on_some_keys_alone_is_part_of_their_names(tmp_path: Path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pt")
    convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert load_file(tmp_path / "w.safetensors").keys() == {"module.a", "b"}


def hostile(form: str, path: Path, canary: Path) -> None:
    trap = Trap(canary)
    if form == "bare":
        path.write_bytes(pickle.dumps({"state_dict": trap}))
    elif form == "zip":
        torch.save({"state_dict": {"a": trap}}, path)
    elif form == "legacy":
        torch.save({"state_dict": {"a": trap}}, path, _use_new_zipfile_serialization=False)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(trap))
            archive.writestr("archive/version", "3\n")


@pytest.mark.parametrize("form", ["bare", "zip", "legacy", "by hand"])
def test_a_hostile_pickle_is_refused_and_does_not_run(form: str, pickled, refused, kept: Path, tmp_path: Path):
    """Even when its digest is the one that was promised."""
    canary = tmp_path / "canary"
    hostile(form, tmp_path / "w.pt", canary)
    pickled(tmp_path / "w.pt")
    assert "refused" in refused("fetch", "tiny", "--quiet")
    assert not canary.exists()
    assert [path.name for path in kept.iterdir()] == [".lock"]
    assert "refused" in refused("path", "tiny", "--weights", f"tiny={tmp_path / 'w.pt'}")
    assert not canary.exists()


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds no dict of tensors but list"),
        ({}, "holds no dict"),
        ({"a": torch.ones(1), "epoch": 3}, r"'epoch' \(str to int\) names no"),
        ({3: torch.ones(1)}, r"'3' \(int to Tensor\)"),
        ({"a": torch.tensor([float("nan")])}, "'a' holds values that are not finite"),
        ({"a": torch.eye(2).to_sparse()}, r"'a' \(str to Tensor\)"),
    ],
)
def test_anything_but_tensors_is_refused_by_name(content: Any, said: str, tmp_path: Path):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=said):
        convert(tmp_path / "w.pt", tmp_path / "w.safetensors")


def test_a_cut_file_is_one_line(tensors, tmp_path: Path):
    torch.save(tensors, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    for end in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.pt").write_bytes(content[:end])
        with pytest.raises(InputError) as caught:
            convert(tmp_path / "cut.pt", tmp_path / "w.safetensors")
        assert "\n" not in str(caught.value)


def test_no_other_file_of_the_product_opens_a_pickle():
    root = Path(__file__).parents[2]
    found = (path for name in ("evalsuite", "backbones", "prompts", "reports") for path in (root / name).rglob("*.py"))
    files = [path for path in found if "training" not in path.parts]  # which reads its own checkpoints
    where = {path.name for path in files if "torch.load(" in path.read_text() or "import pickle" in path.read_text()}
    assert where == {"convert.py"}


def test_a_hub_file_with_an_absurd_header_is_refused(hub, tiny: Weights, refused, kept: Path):
    hub.files["/owner/tiny/resolve/0123abc/tiny.safetensors"] = (2**62).to_bytes(8, "little") + b"{}"
    assert "header" in refused("fetch", "hf:owner/tiny/tiny.safetensors@0123abc", "--quiet")
    assert [path.name for path in kept.iterdir()] == [".lock"]
