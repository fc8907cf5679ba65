"""The digital source type in XMP, read back by programs that are not ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lendface.trust.claims import DRAWN_OVER, REPLACED
from lendface.trust.metadata import find_source_type, with_source_type, write_source_type
from trust.conftest import SMOOTH

MARK = "http://ns.adobe.com/xap/1.0/\0"
HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
OTHERS = (
    f'{HEAD}<rdf:Description rdf:about="uuid:7" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'dc:format="image/jpeg"/></rdf:RDF></x:xmpmeta>'
)  # fmt: skip
OLDER = (
    f'{HEAD}<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"'
    "/></rdf:RDF></x:xmpmeta>"
)


def read_xmp(path: Path) -> str:
    """By OpenCV or FFmpeg."""
    if path.suffix in (".jpg", ".png", ".webp"):
        data = np.frombuffer(path.read_bytes(), np.uint8)
        pixels, kinds, values = cv2.imdecodeWithMetadata(data, flags=cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        packets = [v for k, v in zip(kinds, values, strict=True) if k == cv2.IMAGE_METADATA_XMP]
        assert len(packets) == 1
        return bytes(packets[0]).decode()
    with av.open(str(path), options={"export_xmp": "1"}) as file:
        return file.metadata["xmp"]


def write_with_xmp(path: Path, packet: str) -> None:
    """As ``media.images`` does, where a photo brings its own."""
    kinds, values = [int(cv2.IMAGE_METADATA_XMP)], [np.frombuffer(packet.encode(), np.uint8)]
    done, data = cv2.imencodeWithMetadata(path.suffix, SMOOTH, kinds, values)
    assert done
    path.write_bytes(data.tobytes())


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "mp4", "m4v", "mov"])
def test_other_programs_read_the_source_type(ending: str, originals: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(originals / f"out.{ending}", tmp_path))
    assert find_source_type(path) is None
    assert write_source_type(path, REPLACED)
    assert f"DigitalSourceType>{REPLACED}<" in read_xmp(path)
    assert find_source_type(path) == REPLACED


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "mp4", "mov"])
def test_it_is_there_once_however_often_it_is_written(
    ending: str, originals: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(originals / f"out.{ending}", tmp_path))
    for uri in (DRAWN_OVER, REPLACED, REPLACED):
        write_source_type(path, uri)
    assert read_xmp(path).count("<Iptc4xmpExt:DigitalSourceType") == 1
    assert find_source_type(path) == REPLACED


@pytest.mark.parametrize(
    ("ending", "head"), [("jpg", ""), ("jpg", MARK), ("png", ""), ("webp", ""), ("webp", MARK)]
)
def test_other_metadata_stay(ending: str, head: str, tmp_path: Path) -> None:
    """Also where OpenCV left off, or carried on, what stands before the packet in a JPEG."""
    path = tmp_path / f"photo.{ending}"
    write_with_xmp(path, head + OTHERS)
    assert write_source_type(path, REPLACED)
    packet = read_xmp(path)
    assert 'dc:format="image/jpeg"' in packet
    assert packet.count('rdf:about="uuid:7"') == 2  # a packet is about one thing
    assert find_source_type(path) == REPLACED


def test_an_older_source_type_gives_way() -> None:
    packet = with_source_type(OLDER.encode(), REPLACED).decode()
    assert "digitalCapture" not in packet
    assert REPLACED in packet


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_with_transparency_keeps_it(lossless: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut_out.webp"
    pixels = np.dstack([SMOOTH, np.full(SMOOTH.shape[:2], 90, np.uint8)])
    quality = 101 if lossless else 80
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])
    before = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert write_source_type(path, REPLACED)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), before)
    assert find_source_type(path) == REPLACED


@pytest.mark.parametrize("ending", ["mkv", "webm", "png", "jpg", "webp", "mp4"])
def test_what_has_no_place_for_it_or_is_broken_is_left_alone(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"odd.{ending}"
    path.write_bytes(b"\x00\x00\x00\x20nothing that is known")
    assert not write_source_type(path, REPLACED)
    assert path.read_bytes() == b"\x00\x00\x00\x20nothing that is known"
    assert find_source_type(path) is None
