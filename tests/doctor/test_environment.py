from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from evalsuite.doctor import bundled, hardware, packages, storage
from evalsuite.doctor.checks import Check, failed, section, to_csv, to_json
from evalsuite.doctor.environment import environment


def found_in(versions: dict[str, str]) -> Callable[[str], str | None]:
    return versions.get


def test_the_python_that_runs_is_in_the_declared_range_and_an_old_one_is_not():
    assert packages.check_python(">=3.11", "3.11.7") == Check("python", "ok", "3.11.7")
    old = packages.check_python(">=3.11", "3.10.14")
    assert (old.status, old.found) == ("fail", "3.10.14 is not >=3.11")


def test_packages_that_are_missing_or_too_old_fail_with_the_command_that_helps():
    needed = [Requirement(text) for text in ("torch>=2.10", "rich>=14", "numpy>=2", "hpsv2==1.2.0; extra == 'hpsv2'")]
    found = packages.check_required(needed, found_in({"torch": "2.14.1+cpu", "rich": "13.9"}))
    assert found == [
        Check("packages", "ok", "torch 2.14.1+cpu"),
        Check("rich", "fail", "rich 13.9 is not >=14", "pip install 'rich>=14'"),
        Check("numpy", "fail", "numpy is not installed", "pip install 'numpy>=2'"),
    ]


def test_extras_are_there_or_not_or_out_of_range_and_those_of_developers_are_not_asked_for():
    needed = [
        Requirement(text)
        for text in (
            "rich>=14",
            'diffusers>=0.42; extra == "diffusers"',
            'accelerate>=1.1; extra == "diffusers"',
            'pyarrow>=20; extra == "parquet"',
            'wandb>=0.19; extra == "wandb"',
            'pytest>=8; extra == "test"',
        )
    ]
    here = found_in({"diffusers": "0.42.1", "accelerate": "1.2", "pyarrow": "19.0"})
    assert packages.check_extras(needed, here) == [
        Check("extra diffusers", "ok", "diffusers 0.42.1, accelerate 1.2"),
        Check("extra parquet", "warn", "pyarrow 19.0 is not >=20", "pip install 'evalsuite[parquet]'"),
        Check("extra wandb", "info", "not installed: wandb", "pip install 'evalsuite[wandb]'"),
    ]


def test_the_declared_requirements_are_those_that_are_checked():
    found = {check.name: check.status for check in packages.check_packages()}
    assert found["python"] == "ok"
    assert found["packages"] == "ok"
    assert {"extra diffusers", "extra wandb", "extra hpsv2"} <= found.keys()
    assert "extra test" not in found


def test_a_package_that_cannot_be_imported_fails_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken_thing.py").write_text("raise RuntimeError('operator\\n  nms does not exist')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (check,) = packages.check_imports(["json", "broken_thing", "csv"])
    assert (check.name, check.status, check.found) == ("import broken_thing", "fail", "operator nms does not exist")
    assert packages.check_imports(["json", "csv"])[0].status == "ok"


def test_more_threads_than_cores_are_warned_of():
    assert hardware.check_threads(4, 4).status == "ok"
    many = hardware.check_threads(2, 64)
    assert (many.status, many.remedy) == ("warn", "set OMP_NUM_THREADS=2")


def test_the_cpu_computes_in_the_dtypes_that_are_promised():
    assert hardware.computes("cpu", torch.float32)
    assert hardware.computes("cpu", torch.bfloat16)
    assert hardware.check_cpu().status == "ok"
    assert not hardware.computes("meta", torch.float32)  # a device that computes nothing


def test_folders_are_made_where_they_can_be_and_other_places_are_asked_for(tmp_path: Path):
    good = storage.check_folder("runs", tmp_path / "a" / "b", 1, "fail", "--output-dir")
    assert (good.status, "to be made" in good.found) == ("ok", True)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
    full = storage.check_folder("runs", tmp_path, 10**18, "fail", "--output-dir")
    assert (full.status, "name another folder with --output-dir" in full.remedy) == ("warn", True)
    (tmp_path / "file").write_text("")
    bad = storage.check_folder("cache", tmp_path / "file" / "x", 1, "warn", "EVALSUITE_CACHE")
    assert (bad.status, bad.found.endswith("not a folder")) == ("warn", True)


def test_downloads_that_are_forbidden_and_other_encodings_are_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    assert storage.check_network().status == "ok"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    forbidden = storage.check_network()
    assert (forbidden.status, forbidden.found) == ("info", "forbidden by HF_HUB_OFFLINE")
    assert storage.check_encoding("utf-8", "utf-8").status == "ok"
    assert storage.check_encoding("ascii", "utf-8").found == "ascii instead of UTF-8"
    assert storage.check_encoding(None, "UTF8").status == "warn"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for path in bundled.FOLDERS[1].iterdir():
        if path.stem == "preference":
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


def test_bundled_weights_are_those_of_their_cards(copied: Path):
    (check,) = bundled.check_weights([copied])
    assert (check.status, check.found) == ("ok", "1 files, 0 MB, each with its card's sha256")
    assert bundled.check_weights(bundled.FOLDERS)[0].status == "ok"


def test_a_weight_file_with_one_other_byte_fails_in_one_line(copied: Path):
    path = copied / "preference.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    (check,) = bundled.check_weights([copied])
    assert (check.name, check.status, check.remedy) == ("weights preference", "fail", "reinstall evalsuite")
    assert check.found.startswith(f"{path}: sha256 ")
    assert "\n" not in check.found


def test_weights_or_cards_that_are_missing_or_damaged_fail_in_one_line_each(copied: Path, tmp_path: Path):
    (copied / "preference.safetensors").unlink()
    (copied / "other.json").write_text("[1, 2]")
    (copied / "other.safetensors").write_bytes(b"")
    found = {check.name: check.found for check in bundled.check_weights([copied])}
    assert found["weights preference"].endswith("cannot be read (No such file or directory)")
    assert found["weights other"].endswith("cannot be read (TypeError)")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert bundled.check_weights([empty])[0].status == "fail"


def test_published_weights_are_listed_and_a_file_that_is_named_and_not_there_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "EVALSUITE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (absent,) = bundled.check_published()
    assert (absent.status, "hps@v2.1 (1.97 GB)" in absent.found) == ("info", True)
    here = tmp_path / "mine.pt"
    here.write_bytes(b"x")
    found = {check.name: check.status for check in bundled.check_published([f"hps@v2.1={here}"])}
    assert found["weights hps@v2.1"] == "ok"
    wrong = bundled.check_published([f"hps@v2.1={tmp_path / 'nothing.pt'}"])
    assert [check.status for check in wrong if check.name == "weights hps@v2.1"] == ["fail"]


def test_every_prompt_set_of_the_package_can_be_read():
    assert bundled.check_prompts().status == "ok"


def test_without_torch_nothing_more_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    broken = [Check("import torch", "fail", "libcudart.so.13 is missing", "reinstall it")]
    monkeypatch.setattr(packages, "check_imports", lambda names: broken)
    found = environment()
    assert found[-1].name == "the rest"
    assert broken[0] in found
    assert failed(found)


def test_checks_are_one_table_json_and_csv():
    checks = [Check("a", "ok", "=1+1"), Check("b", "fail", "broken", "mend it"), Check("c", "warn", "slow")]
    assert failed(checks)
    assert not failed(checks[:1])
    assert section(checks).notes == ["1 fails and 1 warns of 3 checks"]
    assert section(checks[:1]).notes == ["1 checks, nothing to do"]
    assert json.loads(json.dumps(to_json(checks)))["checks"][1]["remedy"] == "mend it"
    assert to_csv(checks).splitlines()[1] == "a,ok,'=1+1,"
