from __future__ import annotations

import pytest

from evalsuite.weights.catalogue import CATALOGUE, lookup, said


@pytest.mark.parametrize(
    "name",
    [
        "hps",
        "hf:owner/repo",
        "hf:owner/repo/file.txt@main",
        "hf:../x/file.pt@main",
        "hf:a/b/../../c.pt@main",
        "hf:a/b/c.pt@../x",
        "hf:a/b/c?.pt@main",
        "hf:a/b/" + "c" * 200 + ".pt@main",
        "",
    ],
)
def test_unknown_names_are_refused(name: str, hub, refused):
    assert "known are hps@v2.0" in refused("fetch", name)
    assert hub.asked == []


def test_the_catalogue_is_sound():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
        assert entry.size
        assert entry.address("https://hub").startswith("https://")
        assert (entry.repo is None) == (entry.revision is None) == (entry.url is not None)
    first_use = {name for name, entry in CATALOGUE.items() if entry.sha256 is None}
    assert first_use == {"clip-vit-l-14-336", "dinov2-vitl14"}
    inception = CATALOGUE["inception-fid"]
    assert inception.file.removesuffix(".pth").split("-")[-1] == inception.sha256[:8]
    assert (
        CATALOGUE["hps@v2.1"]
        .address("https://hub")
        .endswith("/xswu/HPSv2/resolve/697403c78157020a1ae59d23f111aa58ced35b0a/HPS_v2.1_compressed.pt")
    )


def test_two_names_never_share_a_file():
    names = [
        "hf:a/b/c.pt@d",
        "hf:a/b/c--d.pt@d",
        "hf:a/b--c.pt/d.pt@d",
        "hf:a/b/c/d.pt@d",
        "hf:a/b.c/d.pt@d",
        *CATALOGUE,
    ]
    stems = {lookup(name).stem for name in names}
    assert len(stems) == len(names)
    assert not any("/" in stem for stem in stems)


def test_sizes_for_people():
    assert [said(size) for size in (None, 12, 1500, 95_628_359, 1_972_484_501)] == [
        "size unknown",
        "12 bytes",
        "1.5 kB",
        "95.6 MB",
        "1.97 GB",
    ]
