"""Fetching one file over HTTP: pieces survive a cut, a failing network is tried again, two files are never mixed."""

from __future__ import annotations

import json
import re
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener

from evalsuite.errors import InputError
from evalsuite.progress import Progress

ATTEMPTS = 4
"""In a row without a new byte."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled before each later one."""
PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""
_CHUNK = 1 << 20
_BUSY = (408, 429, 500, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Answer: TypeAlias = HTTPResponse | HTTPError


class _Broken(Exception):  # noqa: N818
    """Worth another attempt."""


def download(url: str, part: Path, pinned: bool, progress: Progress, label: str) -> None:
    """Bring a file to ``part``, going on where an earlier attempt, of this process or another, stopped.

    Args:
        url: of the file; redirects are followed.
        part: may hold the beginning of the file; a note of whose beginning it is lies beside it.
        pinned: the caller knows the SHA-256 and checks it. Otherwise the connection is all there is to trust: it
            must be HTTPS, and a beginning is only gone on with when the server says that the file is still the same.
        progress: told of megabytes.
        label: what to call the file.

    Raises:
        InputError: refused by the server, or not reached in ATTEMPTS attempts.
        OSError: the disk is full or refuses.
    """
    _check_secure(url, pinned)
    failures = 0
    while True:
        before = _size(part)
        try:
            _attempt(url, part, pinned, progress, label)
            return
        except _Broken as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures == ATTEMPTS:
                raise InputError(
                    f"{url}: {error}, {ATTEMPTS} times; what has come is kept: run the command again to go on"
                ) from error
            pause = PAUSE * 2 ** (failures - 1)
            progress.note(f"{label}: {error}; trying again in {pause:g} s")
            time.sleep(pause)


def forget(part: Path) -> None:
    """Remove a beginning and its note."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, pinned: bool, progress: Progress, label: str) -> None:
    start, validator = _beginning(url, part, pinned)
    headers = {"User-Agent": "evalsuite"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
    with _open(url, headers) as response:
        _check_secure(response.geturl(), pinned)
        piece = response.headers.get("Content-Range") or ""
        if response.status == 416 and piece == f"bytes */{start}":
            return  # all of it had come before
        if response.status == 416 or (response.status == 206 and not piece.startswith(f"bytes {start}-")):
            forget(part)
            raise _Broken("the server has no such piece of the file")
        if response.status != 206:
            start = 0
            _write_note(part, url, response)
        total = _receive(response, part, start, progress, label)
    if total is not None and _size(part) != total:
        raise _Broken(f"the connection closed after {_size(part)} of {total} bytes")


def _receive(response: Answer, part: Path, start: int, progress: Progress, label: str) -> int | None:
    """Write what comes; returns the size that the server announced for the whole file."""
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isascii() and length.isdigit() else None
    progress.start(f"fetch {label}, MB", (total or start) // 10**6)
    shown = 0
    with part.open("ab" if start else "wb") as file:
        while chunk := _read(response):
            file.write(chunk)
            done = file.tell() // 10**6
            if done > shown:
                progress.advance(done - shown)
                shown = done
    return total


def _open(url: str, headers: dict[str, str]) -> Answer:
    try:
        response: HTTPResponse = build_opener().open(Request(url, headers=headers), timeout=PATIENCE)
        return response
    except HTTPError as error:
        if error.code == 416:
            return error
        with error:
            if error.code in _BUSY:
                raise _Broken(f"the server answers {error.code}") from error
            hint = "it is not there" if error.code in (401, 403, 404, 410) else "the server refuses it"
            raise InputError(
                f"{url}: HTTP {error.code}, {hint}: check the name and HF_ENDPOINT, or bring the file yourself and say"
                " --weights NAME=PATH"
            ) from error
    except (OSError, HTTPException) as error:
        raise _Broken(_reason(error)) from error


def _read(response: Answer) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _Broken(_reason(error)) from error


def _beginning(url: str, part: Path, pinned: bool) -> tuple[int, str]:
    """Bytes to go on from, 0 when what lies there may be of another file, and the server's name for that version."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        validator = str(note["validator"])
        known = note["url"] == url and (pinned or validator)
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""
    return (_size(part), validator) if known else (0, "")


def _write_note(part: Path, url: str, response: Answer) -> None:
    tag = response.headers.get("ETag") or ""
    # A weak tag does not promise the same bytes, and a server must not honour it in If-Range (RFC 9110, 13.1.5).
    validator = tag if re.fullmatch(r'"[\x21\x23-\x7e]*"', tag) else ""
    part.unlink(missing_ok=True)
    _note(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_secure(url: str, pinned: bool) -> None:
    try:
        address = urlsplit(url)
        host = address.hostname
    except ValueError as error:
        raise InputError(f"{url}: not an address ({error}): check HF_ENDPOINT") from error
    if address.scheme == "https" or (address.scheme == "http" and (pinned or host in _LOOPBACK)):
        return
    raise InputError(f"{url}: not HTTPS, and no known SHA-256 tells another file: set HF_ENDPOINT to https://...")


def _reason(error: OSError | HTTPException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return f"the connection failed ({reason or type(reason).__name__})"
