from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from evalsuite.errors import InputError
from evalsuite.weights import find, places, record
from evalsuite.weights.catalogue import CATALOGUE, Weights, lookup


def test_what_is_missing_says_its_size_and_the_command(hub, refused):
    line = refused("path", "hps@v2.1")
    for part in ("hps@v2.1", "HPS_v2.1_compressed.pt", "1.97 GB", "`evalsuite weights fetch hps@v2.1`"):
        assert part in line
    assert refused("verify", "inception-fid").count("95.6 MB") == 1
    assert hub.asked == []


def test_listing_asks_no_network_and_needs_no_file(hub, cli):
    out, err = cli("list")
    assert err == ""
    assert all(name in out for name in CATALOGUE)
    assert out.count("not here") == len(CATALOGUE)
    assert hub.asked == []


@pytest.mark.parametrize("command", [["list"], ["--help"], ["fetch", "--help"], ["verify"]])
def test_light_commands_import_nothing_heavy(command: list[str], environment: Mapping[str, str], tmp_path: Path):
    code = (
        "import sys, contextlib, io\nfrom evalsuite.cli import main\n"
        f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main(['weights', *{command!r}])\n"
        "print([name for name in ('torch', 'open_clip', 'huggingface_hub') if name in sys.modules])"
    )
    surroundings = {**environment, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_path_from_the_option_wins_over_the_variable(
    hub, tiny: Weights, data: bytes, cli, tmp_path: Path, monkeypatch
):
    for name in ("option", "variable"):
        (tmp_path / f"{name}.safetensors").write_bytes(data)
    monkeypatch.setenv("EVALSUITE_WEIGHTS", f"hps@v2.0=/nowhere, tiny={tmp_path}/variable.safetensors")
    assert cli("path", "tiny")[0].strip() == f"{tmp_path}/variable.safetensors"
    given = f"tiny={tmp_path}/option.safetensors"
    assert cli("path", "tiny", "--weights", given)[0].strip() == f"{tmp_path}/option.safetensors"
    assert hub.asked == []


def test_a_folder_holds_published_names_and_copies_of_our_own(
    hub, tiny, data: bytes, cli, tmp_path: Path, kept, monkeypatch
):
    folder = tmp_path / "a, b=c"
    folder.mkdir()
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(folder))
    (folder / tiny.file).write_bytes(data)
    assert cli("path", "tiny")[0].strip() == f"{folder}/{tiny.file}"


def test_a_common_file_name_in_a_folder_is_not_trusted(hub, tiny, data: bytes, refused, tmp_path: Path, monkeypatch):
    (tmp_path / "tiny.safetensors").write_bytes(data)
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    assert "are not here" in refused("path", "hf:owner/tiny/tiny.safetensors@main")


def test_a_named_file_with_an_absurd_header_is_refused(hub, refused, tmp_path: Path):
    (tmp_path / "w.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    name = "hf:owner/own/w.safetensors@main"
    assert "header" in refused("path", name, "--weights", f"{name}={tmp_path}/w.safetensors")


def test_verifying_nothing_says_so(hub, cli):
    assert cli("verify") == ("", "no weights are here; `evalsuite weights list` tells what there is\n")


def test_our_folder_can_be_carried_to_a_machine_without_a_network(
    pickled, tensors, cli, refused, kept: Path, tmp_path: Path, monkeypatch
):
    torch.save(tensors, tmp_path / "w.pt")
    pickled(tmp_path / "w.pt")
    cli("fetch", "tiny")
    carried = tmp_path / "carried"
    shutil.move(kept, carried)
    os.utime(carried / "tiny.safetensors")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(carried))
    assert cli("path", "tiny")[0].strip() == f"{carried}/tiny.safetensors"
    (carried / "tiny.safetensors").write_bytes(b"x" * 100)
    assert "copy it again" in refused("path", "tiny")


def test_a_named_file_that_is_another_one_is_refused(hub, tiny: Weights, data: bytes, cli, refused, tmp_path: Path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(data[:-1] + b"x")
    line = refused("path", "tiny", "--weights", f"tiny={other}")
    assert "damaged or another file" in line
    assert "copy it again" in line
    assert "no such file" in refused("path", "tiny", "--weights", f"tiny={tmp_path}/none")
    assert "damaged" in verified_badly(cli, "tiny", "--weights", f"tiny={other}")


def verified_badly(cli, *words: str) -> str:
    """What is sound is still listed, on stdout; the fault is the last line."""
    return cli("verify", *words, code=2)[1].splitlines()[-1]


def test_a_pt_of_the_users_is_converted_once_into_our_folder(pickled, tensors, cli, kept: Path, tmp_path: Path):
    mine = tmp_path / "mine" / "w.pt"
    mine.parent.mkdir()
    torch.save(tensors, mine)
    pickled(mine)
    given = ("--weights", f"tiny={mine}")
    out, _ = cli("path", "tiny", *given)
    made = Path(out.strip())
    assert made == kept / "tiny.safetensors"
    before = made.stat().st_mtime_ns
    assert cli("path", "tiny", *given)[0] == out
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in mine.parent.iterdir()] == ["w.pt"]


def test_a_conversion_of_another_file_is_not_taken_for_this_one(pickled, tensors, cli, refused, kept: Path, tmp_path):
    torch.save(tensors, tmp_path / "w.pt")
    entry = pickled(tmp_path / "w.pt")
    given = ("--weights", f"tiny={tmp_path}/w.pt")
    cli("path", "tiny", *given)
    place = kept / "tiny.safetensors.json"
    place.write_text(place.read_text().replace(entry.sha256, "0" * 64))
    assert "made from another file" in refused("path", "tiny")
    cli("path", "tiny", *given)
    assert json.loads(place.read_text())["source_sha256"] == entry.sha256


def test_a_file_that_another_package_fetched_is_used(hub, tiny: Weights, data: bytes, cli, tmp_path: Path):
    place = tmp_path / "hf" / "hub" / "models--owner--tiny" / "snapshots" / "0123abc" / "tiny.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    assert cli("fetch", "tiny")[0].strip() == str(place)
    assert hub.asked == []


def test_first_use_of_a_named_file_is_recorded_and_held_to(hub, data: bytes, cli, refused, tmp_path: Path):
    name, mine = "hf:owner/own/w.safetensors@main", tmp_path / "mine.safetensors"
    mine.write_bytes(data)
    given = ("--weights", f"{name}={mine}")
    cli("path", name, *given)
    assert "trusted since first use" in cli("verify", name, *given)[0]
    mine.write_bytes(data[:-1] + b"x")
    line = refused("path", name, *given)
    assert "trusted on first use" in line
    place = find.record_of(lookup(name), mine)
    assert str(place) in line
    place.unlink()
    cli("path", name, *given)


def test_a_file_is_read_again_when_its_time_changed_or_when_told(
    hub, tiny: Weights, data: bytes, tmp_path: Path, monkeypatch
):
    read: list[Path] = []
    monkeypatch.setattr(record, "sha256_of", lambda path: read.append(path) or tiny.sha256)
    path = tmp_path / "t.safetensors"
    path.write_bytes(data)
    given = [f"tiny={path}"]
    find.ready("tiny", given)
    find.ready("tiny", given)
    assert len(read) == 1
    find.verify(tiny, path, full=True)
    os.utime(path, ns=(1, 1))
    find.ready("tiny", given)
    find.ready("tiny", given)
    assert len(read) == 3


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 3}', "x" * 70_000])
def test_a_damaged_record_renews_no_trust(hub, tiny: Weights, cli, refused, kept: Path, text: str):
    cli("fetch", "tiny")
    (kept / "tiny.safetensors.json").write_text(text)
    assert "delete it to verify the file anew" in refused("path", "tiny")


@pytest.mark.parametrize("pair", ["tiny", "=x", "tiny=", "none=x"])
def test_a_pair_that_names_nothing_is_refused(pair: str, tiny: Weights, refused):
    assert "weights" in refused("list", "--weights", pair)


def test_a_variable_that_is_neither_folder_nor_pairs_is_refused(hub, refused, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVALSUITE_WEIGHTS", "/no/such/folder")
    assert "a folder that exists" in refused("list")


def test_folders_follow_the_variables(monkeypatch: pytest.MonkeyPatch):
    for name in ("HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert places.cache() == Path("/h/.cache/huggingface/assets/evalsuite/weights")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert places.cache() == Path("/hf/assets/evalsuite/weights")
    monkeypatch.setenv("EVALSUITE_CACHE", "~/mine")
    assert places.cache() == Path("/h/mine/weights")


def test_a_read_only_home_costs_time_but_no_trust(hub, tiny: Weights, data: bytes, tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(record, "write_atomically", refuse)
    path = tmp_path / "t.safetensors"
    path.write_bytes(data)
    assert find.verify(tiny, path).trust == "pinned"
    with pytest.raises(InputError, match="EVALSUITE_CACHE"):
        find.verify(lookup("hf:owner/own/w.safetensors@main"), path)
