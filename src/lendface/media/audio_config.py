"""What the packets of a sound say of its layout and rate, for sound that changes on the way.

A file has one description of a sound, at its head; a copy into another container keeps only that.
Broadcasts and recordings of live streams change from stereo to 5.1 and back between two packets.
"""

from __future__ import annotations

from typing import Any

ADTS_SYNC = 0xFFF0  # ISO 14496-3, 1.A.2.2.1; the four bits after it vary
AC3_SYNC = b"\x0b\x77"  # ETSI TS 102 366, 5.3
MPEG_SYNC = 0xFFE0  # ISO 11172-3, 2.4.1.3


class AudioChanges:
    """Watches packets go by, and remembers which sound changes its layout or rate."""

    def __init__(self, container: Any) -> None:
        self._codecs = {
            s.index: s.codec_context.codec.canonical_name
            for s in container.streams.audio
            if s.codec_context is not None
        }
        self._known = dict[int, tuple[object, ...]]()
        self.streams = set[int]()

    def watch(self, packet: Any) -> None:
        index = packet.stream_index
        if index not in self._codecs or not packet.size:
            return
        config = read_config(self._codecs[index], packet)
        if config is not None and self._known.setdefault(index, config) != config:
            self.streams.add(index)


def read_config(codec: str, packet: Any) -> tuple[object, ...] | None:
    """What must stay the same for a copy to play; None where the packet does not say.

    ``codec`` is FFmpeg's name.
    """
    if packet.has_sidedata("new_extradata"):
        return ("extradata", bytes(packet.get_sidedata("new_extradata")))
    reader = READERS.get(codec)
    return None if reader is None else reader(bytes(memoryview(packet)[:8]))


def adts_config(head: bytes) -> tuple[object, ...] | None:
    """Profile, sample rate and channels of AAC in ADTS."""
    if len(head) < 7 or int.from_bytes(head[:2], "big") & 0xFFF6 != ADTS_SYNC:
        return None
    return ("adts", head[2] >> 2, (head[2] & 1) << 2 | head[3] >> 6)


def ac3_config(head: bytes) -> tuple[object, ...] | None:
    """The sample rate of AC-3; its layout may change, every frame says it and decoders follow."""
    if len(head) < 6 or head[:2] != AC3_SYNC or head[5] >> 3 > 10:
        return None
    return ("ac3", head[4] >> 6)


def mpeg_config(head: bytes) -> tuple[object, ...] | None:
    """Version, layer, sample rate and whether it is mono, of MP1, MP2 and MP3."""
    if len(head) < 4 or int.from_bytes(head[:2], "big") & MPEG_SYNC != MPEG_SYNC:
        return None
    return ("mpeg", head[1] & 0x1E, head[2] >> 2 & 3, head[3] >> 6 == 3)


READERS = {
    "aac": adts_config,
    "ac3": ac3_config,
    "mp1": mpeg_config,
    "mp2": mpeg_config,
    "mp3": mpeg_config,
}
