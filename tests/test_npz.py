from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from evalsuite.npz import Npz


def member(header: str, data: bytes = b"") -> bytes:
    """A .npy file with any header."""
    text = header.encode() + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def archive(members: Mapping[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def one(descr: str, shape: str, size: int, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An .npz whose only member says this of its ``size`` zero bytes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return archive({"a.npy": member(header, bytes(size))}, how)


LIES: dict[str, bytes] = {
    "a shape of 512 TB": one("'<f8'", "(1099511627776, 64)", 64),
    "a negative shape": one("'<f8'", "(-8, -1)", 64),
    "data left over": one("'<f8'", "(1,)", 9),
    "data that lack": one("'<f8'", "(1,)", 7),
    "objects": one("'|O'", "(8,)", 64),
    "records": one("[('x', '<f8')]", "(1,)", 8),
    "another packing": one("'<f8'", "(1,)", 8, zipfile.ZIP_BZIP2),
    "code for a header": archive({"a.npy": member("__import__('os').abort()")}),
    "a header of nothing": archive({"a.npy": b"\x93NUMPY"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_member_that_cannot_be_true_is_never_read(tmp_path: Path, lie: str):
    with Npz(saved(tmp_path / "a.npz", LIES[lie])) as file:
        assert file.headers == {}
        assert set(file.faults) == {"a"}
        with pytest.raises(KeyError, match="a: "):
            file.read("a")


def test_a_directory_that_lies_of_a_members_size_is_caught(tmp_path: Path):
    """The sizes in the zip directory say 8 TB, and the header agrees: no deflated data of 100 bytes can be that."""
    data = one("'<f8'", "(1099511627776,)", 64)
    size = (8 * 1099511627776 + 128).to_bytes(8, "little")
    name = data.index(b"PK\x01\x02") + 46
    extra = b"\x01\x00\x08\x00" + size  # zip64
    at = data.index(b"PK\x01\x02")
    entry = bytearray(data[at : name + 5])
    entry[24:28], entry[30:32] = b"\xff" * 4, len(extra).to_bytes(2, "little")
    end = bytearray(data[data.index(b"PK\x05\x06") :])
    end[12:16] = (len(entry) + len(extra)).to_bytes(4, "little")
    forged = data[:at] + bytes(entry) + extra + bytes(end)
    with Npz(saved(tmp_path / "a.npz", forged)) as file:
        assert "of a size that cannot be true" in file.faults["a"]


def test_lies_cost_no_memory(tmp_path: Path):
    path = saved(tmp_path / "a.npz", LIES["a shape of 512 TB"])
    code = (
        "import resource, sys; from pathlib import Path; from evalsuite.npz import Npz\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "Npz(Path(sys.argv[1]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": os.environ.get("PATH", "")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
    )
    assert int(done.stdout) < 20_000  # kB


def test_all_that_is_read_counts_against_the_limit(tmp_path: Path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(100), b=np.zeros(100))
    with Npz(tmp_path / "a.npz", limit=1000) as file:
        assert file.read("a").shape == (100,)
        with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
            file.read("b")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_whole_or_in_parts(tmp_path: Path, save: Callable[..., None]):
    array, turned = np.arange(42, dtype=np.float32).reshape(7, 3, 2), np.asfortranarray(np.arange(6.0).reshape(2, 3))
    save(tmp_path / "a.npz", array=array, turned=turned, word=np.array("äb"))
    with Npz(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file.read("array"), array)
        np.testing.assert_array_equal(file.read("turned"), turned)
        assert file.read("word").item() == "äb"
        parts = list(file.chunks("array", 3))
        assert [len(part) for part in parts] == [3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(parts), array)
        with pytest.raises(ValueError, match="Fortran"):
            next(file.chunks("turned", 1))


def test_one_bad_member_does_not_hide_the_others(tmp_path: Path):
    np.savez(tmp_path / "a.npz", good=np.ones(3), bad=np.array([{}], dtype=object))
    with Npz(tmp_path / "a.npz") as file:
        assert list(file.headers) == ["good"]
        assert "object" in file.faults["bad"]


def test_only_regular_zip_files_without_twins_are_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(OSError, match="not a regular file"):
        Npz(tmp_path / "pipe.npz")
    with pytest.raises(zipfile.BadZipFile):
        Npz(saved(tmp_path / "b.npz", b"\x93NUMPY"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", b"")
    with pytest.raises(ValueError, match="two of one name"):
        Npz(saved(tmp_path / "c.npz", buffer.getvalue()))
