from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save

from evalsuite.cli import main
from evalsuite.weights import download
from evalsuite.weights.catalogue import CATALOGUE, Weights

FILE = "/owner/tiny/resolve/0123abc/tiny.safetensors"


@dataclass
class Hub:
    """What the loopback hub holds, how it misbehaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    tags: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def tag(self, data: bytes) -> str:
        return f'"{hashlib.sha256(data).hexdigest()[:12]}"'


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        hub, wanted = self.hub, self.headers.get("Range")
        hub.asked.append((self.path, wanted))
        data = hub.files.get(self.path)
        if self.path in hub.redirects:
            return self.answer(302, b"", {"Location": hub.redirects[self.path]})
        if hub.statuses:
            return self.answer(hub.statuses.pop(0), b"no", {})
        if data is None:
            return self.answer(404, b"not found", {})
        headers = {"ETag": hub.tag(data)} if hub.tags else {}
        changed = self.headers.get("If-Range") not in (None, hub.tag(data))
        if wanted is None or changed or not hub.ranges:
            return self.answer(200, data, headers)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start >= len(data):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        piece = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.answer(206, data[start:], headers | {"Content-Range": piece})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.hub.cuts.pop(0) if self.hub.cuts and status in (200, 206) else len(data)
        self.wfile.write(data[:cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub on loopback, and an empty home for everything that is kept."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where our files are."""
    return tmp_path / "hf" / "assets" / "evalsuite" / "weights"


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "proj.weight": torch.randn(40, 30, generator=generator),
        "proj.bias": torch.randn(40, generator=generator).half(),
        "count": torch.tensor(7),
    }


@pytest.fixture
def data(tensors: dict[str, torch.Tensor]) -> bytes:
    return save(tensors)


@pytest.fixture
def tiny(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A pinned file of the catalogue, on the hub."""
    digest = hashlib.sha256(data).hexdigest()
    entry = Weights("tiny", "tiny weights", "tiny.safetensors", "owner/tiny", "0123abc", sha256=digest, size=len(data))
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    hub.files[FILE] = data
    return entry


@pytest.fixture
def pickled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Weights]:
    """Publish a .pt, pinned, as ``tiny``."""

    def publish(path: Path) -> Weights:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entry = Weights("tiny", "tiny weights", "tiny.pt", "owner/tiny", "0123abc", sha256=digest, size=len(content))
        monkeypatch.setitem(CATALOGUE, "tiny", entry)
        hub.files["/owner/tiny/resolve/0123abc/tiny.pt"] = content
        return entry

    return publish


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Run ``evalsuite weights`` and return what it wrote."""

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["weights", *words])
        out, err = capsys.readouterr()
        assert caught.value.code == code, err
        return out, err

    return run


@pytest.fixture
def refused(cli: Callable[..., tuple[str, str]]) -> Callable[..., str]:
    """Run ``evalsuite weights``, which must end with exit code 2 and one line; returns the line."""

    def run(*words: str) -> str:
        _, err = cli(*words, code=2)
        lines = err.splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("error: ")
        return lines[0]

    return run
