"""A colour profile for pictures that say their colours by numbers of ITU-T H.273 only."""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

D65 = (0.3127, 0.3290)
XY_BY_PRIMARIES = {  # red, green, blue; all with a white of D65
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
GAMMA_BY_TRANSFER = {4: 2.2, 5: 2.8, 8: 1.0}
D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
HEAD_BYTES = 128


@lru_cache(maxsize=8)
def profile_of(primaries: int, transfer: int) -> bytes | None:
    """An ICC profile (version 4, matrix and curve); None for what anyone takes for sRGB anyway."""
    if primaries not in XY_BY_PRIMARIES:
        return None
    to_d50 = white_to_d50()
    colorants = (to_d50 @ rgb_to_xyz(primaries)).T
    curve = curve_of(transfer)
    tags = {
        b"desc": text(f"H.273 primaries {primaries}, transfer {transfer}"),
        b"cprt": text("CC0"),
        b"wtpt": xyz(D50),
        b"chad": b"sf32" + bytes(4) + fixed(to_d50.ravel()),
        **{
            name + b"XYZ": xyz(row) for name, row in zip((b"r", b"g", b"b"), colorants, strict=True)
        },
        **{name + b"TRC": curve for name in (b"r", b"g", b"b")},
    }
    return put_together(tags)


def rgb_to_xyz(primaries: int) -> np.ndarray:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in XY_BY_PRIMARIES[primaries]]).T
    return columns * np.linalg.solve(columns, white_xyz())


def white_xyz() -> np.ndarray:
    x, y = D65
    return np.array([x / y, 1, (1 - x - y) / y])


def white_to_d50() -> np.ndarray:
    """How a colour seen under D65 looks under the D50 of profiles."""
    gains = (BRADFORD @ np.array(D50)) / (BRADFORD @ white_xyz())
    return np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD


def curve_of(transfer: int) -> bytes:
    """A parametric curve: a plain power, or that of sRGB."""
    gamma = GAMMA_BY_TRANSFER.get(transfer)
    kind, numbers = (0, (gamma,)) if gamma else (3, SRGB_CURVE)
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(numbers)


def fixed(numbers: object) -> bytes:
    """s15Fixed16Number"""
    return b"".join(struct.pack(">i", round(float(n) * 65536)) for n in np.atleast_1d(numbers))


def xyz(values: object) -> bytes:
    return b"XYZ " + bytes(4) + fixed(values)


def text(words: str) -> bytes:
    data = words.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def put_together(tags: dict[bytes, bytes]) -> bytes:
    """The header, the list of tags, and what they say. ICC.1:2010, section 7."""
    start = HEAD_BYTES + 4 + 12 * len(tags)
    listed, body = b"", b""
    for name, data in tags.items():
        listed += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s20xI3i", start + len(body), b"", 0x04000000, b"mntr", b"RGB ", b"XYZ ",
        bytes(12), b"acsp", 0, *(round(n * 65536) for n in D50),
    )  # fmt: skip
    return head.ljust(HEAD_BYTES, b"\0") + struct.pack(">I", len(tags)) + listed + body
