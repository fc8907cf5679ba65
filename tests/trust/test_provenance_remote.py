"""A file from a stranger that names an address for its manifest: nobody asks there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import c2pa
import pytest
from loopback import LoopbackServer, serving

from lendface.trust.claims import Claim
from lendface.trust.provenance import Provenance
from lendface.trust.verify import verify
from people import write_photo
from trust.conftest import SMOOTH

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/"
 dcterms:provenance="http://127.0.0.1:{port}/manifest.c2pa"/></rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def elsewhere() -> Iterator[LoopbackServer]:
    with serving(lambda stream, _: stream.sendall(b"HTTP/1.1 404 No\r\n\r\n")) as server:
        yield server


@pytest.fixture
def photo(tmp_path: Path, elsewhere: LoopbackServer) -> Path:
    """A JPEG whose metadata say that its manifest lies on that server."""
    path = write_photo(tmp_path / "remote.jpg", SMOOTH)
    told = b"http://ns.adobe.com/xap/1.0/\0" + XMP.format(port=elsewhere.port).encode()
    data = path.read_bytes()
    head = b"\xff\xe1" + (len(told) + 2).to_bytes(2, "big")
    path.write_bytes(data[:2] + head + told + data[2:])
    return path


def test_the_library_by_itself_would_ask_there(photo: Path, elsewhere: LoopbackServer) -> None:
    with photo.open("rb") as file, pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/jpeg", file)
    assert elsewhere.connections == 1


def test_neither_verify_nor_signing_asks_there(
    photo: Path, elsewhere: LoopbackServer, originals: Path, provenance: Provenance, claim: Claim
) -> None:
    verify(photo)
    provenance.sign(photo, claim, target=photo)
    made = photo.with_name("out.mp4")
    made.write_bytes((originals / "out.mp4").read_bytes())
    provenance.sign(made, claim, target=photo)
    assert verify(made).holds
    assert elsewhere.connections == 0
