"""Which encoder, with which settings; and frames in the form it takes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Interpolation

from ..engine.types import Array, Picture
from ..errors import BadOptionError, EncoderError, OutputFormatError
from .cores import count_cores
from .failures import plain_reason
from .placement import Placement
from .planes import PlanesPicture, planes_of, whole, writable
from .probe import ColourTags

Codec = Literal["h264", "hevc", "av1"]
ANIMATIONS = {"gif": "gif", "apng": "apng", "webp": "libwebp_anim"}  # encoders by container
WITH_ALPHA = "libvpx-vp9"  # what writes WebM whose pictures something shines through
LEAST_LONG_SIDE = 16
GOOD_FILTER = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
HARDWARE = {
    "h264": ("h264_nvenc", "h264_qsv", "h264_vaapi", "h264_amf", "h264_videotoolbox"),
    "hevc": ("hevc_nvenc", "hevc_qsv", "hevc_vaapi", "hevc_amf", "hevc_videotoolbox"),
    "av1": ("av1_nvenc", "av1_qsv", "av1_vaapi", "av1_amf"),
}
# CRF 18 of x264 is where most people see no difference to the source, and a swap should not be
# the reason for one; the others are set to look alike. "fast" costs a few per cent of file size
# against "medium" and saves a third of the time.
QUALITY = {"libx264": 18, "libx265": 20, "libsvtav1": 23, WITH_ALPHA: 20}
PRESET = {"libx264": "fast", "libx265": "fast", "libsvtav1": "8"}
THREADS = min(count_cores(), 16)  # every thread keeps frames in memory


@dataclass(frozen=True)
class EncodeOptions:
    """How to encode. ``codec`` None means H.264, and in a WebM file AV1, or VP9 where the target is
    transparent."""

    codec: Codec | None = None
    encoder: str | None = None  # None: software; "auto": hardware where it works; or a name
    quality: int | None = None  # CRF or its like; lower is better and larger
    preset: str | None = None
    is_lossless: bool = False
    is_compatible: bool = (
        False  # 8-bit 4:2:0 of even size whatever the target is: it plays anywhere
    )
    fresh_start_pts: tuple[int, ...] = ()  # source pts at which encoding starts anew, as chunks do
    max_long_side: int | None = None  # px as shown; larger pictures are made smaller, at the end
    max_fps: float | None = None  # frames are left out where there are more; see ``kept_frames``
    copies_audio: bool = False  # as it is wherever the container takes it; see ``streams.py``
    threads: int | None = None  # of decoder and encoder each; None: as many as cores


@dataclass(frozen=True)
class Encoding:
    """All that decides how an encoder is opened; equal encodings give packets that fit together."""

    encoder: str
    pix_fmt: str
    size_wh: tuple[int, int]
    sample_aspect: Fraction
    time_base: Fraction
    frame_rate: Fraction
    colour: ColourTags
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int = THREADS

    def configure(self, context: Any) -> None:
        """Set up a codec context that is not open yet."""
        context.width, context.height = self.size_wh
        context.pix_fmt, context.time_base = self.pix_fmt, self.time_base
        context.framerate = self.frame_rate
        context.sample_aspect_ratio = self.sample_aspect
        context.color_primaries, context.color_trc = self.colour.primaries, self.colour.transfer
        context.colorspace, context.color_range = self.colour.matrix, self.colour.range
        context.flags |= int(av.codec.context.Flags.closed_gop)
        context.thread_count = self.threads
        context.options = dict(self.options)

    def add_to(self, target: Any) -> Any:
        """A stream of an output, with an opened encoder."""
        stream = target.add_stream(self.encoder, rate=self.frame_rate)
        self.configure(stream.codec_context)
        stream.codec_context.open()
        return stream

    def open_again(self) -> Any:
        """A fresh encoder beside a container's own."""
        context = av.CodecContext.create(self.encoder, "w")
        self.configure(context)
        context.flags |= int(av.codec.context.Flags.global_header)
        context.open()
        return context


def choose_encoder(options: EncodeOptions, container: str, *, has_alpha: bool = False) -> str:
    """The encoder's name. ``has_alpha``: the source's pictures are transparent.

    Raises OutputFormatError when the container does not take the codec, EncoderError when the
    encoder is not there or does not open on this machine, BadOptionError for an unknown codec and
    for options that exclude each other.
    """
    if options.is_compatible and options.is_lossless:
        raise BadOptionError("a lossless film plays in few players; ask for it or for compatible")
    if container in ANIMATIONS:
        return animation_encoder(options, container)
    if has_alpha and container == "webm" and (options.codec, options.encoder) == (None, None):
        return WITH_ALPHA
    codec = options.codec or ("av1" if container == "webm" else "h264")
    if codec not in SOFTWARE:
        raise BadOptionError(f"--codec is h264, hevc or av1, not {codec}")
    if container == "webm" and codec != "av1":
        raise OutputFormatError(f"WebM cannot hold {codec}; use --codec av1, or .mp4 or .mkv")
    if options.encoder is None:
        return SOFTWARE[codec]
    if options.encoder == "auto":
        return next((name for name in HARDWARE[codec] if works(name)), SOFTWARE[codec])
    wanted = options.encoder if "_" in options.encoder else f"{codec}_{options.encoder}"
    wanted = options.encoder if options.encoder in SOFTWARE.values() else wanted
    if not works(wanted):
        raise EncoderError(
            f"the encoder {wanted} does not work on this machine; use --encoder auto"
        )
    return wanted


def animation_encoder(options: EncodeOptions, container: str) -> str:
    asked = options.encoder or options.codec
    if asked not in (None, "auto"):
        raise OutputFormatError(f"an animated {container} has a coding of its own, not {asked}")
    return ANIMATIONS[container]


def is_one_pass(encoder: str) -> bool:
    """Whether its packets rest on those before, or carry more than a part of a film has room for:
    such a film is not rendered in parts."""
    return encoder in (WITH_ALPHA, *ANIMATIONS.values())


@lru_cache
def works(encoder: str) -> bool:
    """True when the encoder opens here and encodes a frame."""
    try:
        context = av.CodecContext.create(encoder, "w")
        context.width, context.height, context.pix_fmt = 320, 192, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        frame = av.VideoFrame(320, 192, "yuv420p")
        frame.pts = 0
        return bool([*context.encode(frame), *context.encode(None)])
    except (av.error.FFmpegError, ValueError, OSError):
        return False


def codec_options(encoder: str, options: EncodeOptions, frame: av.VideoFrame) -> dict[str, str]:
    """Quality, closed groups of pictures and, for HDR, the mastering display."""
    quality = options.quality if options.quality is not None else QUALITY.get(encoder, 21)
    preset = options.preset or PRESET.get(encoder)
    chosen = {"preset": preset} if preset else {}
    if encoder == "libx264":
        chosen |= {"qp": "0"} if options.is_lossless else {"crf": str(quality)}
        # Of the 30 frames that "fast" looks ahead each takes 6 MiB in full HD; 20 give files of the
        # same size.
        ahead = {} if options.preset else {"rc-lookahead": "20"}
        return chosen | {"x264-params": joined_params(x264_params(frame) | ahead)}
    if encoder == "libx265":
        params = x265_params(frame) | ({"lossless": "1"} if options.is_lossless else {})
        return chosen | {"crf": str(quality), "x265-params": joined_params(params)}
    if encoder == WITH_ALPHA:
        return vp9_options(quality, options)
    if options.is_lossless:
        raise EncoderError(f"{encoder} has no lossless mode here; use --codec h264 or hevc")
    if encoder == "libsvtav1":
        params = joined_params(svt_params(frame))
        return chosen | {"crf": str(quality)} | ({"svtav1-params": params} if params else {})
    return chosen | hardware_quality(encoder, quality)


def vp9_options(quality: int, options: EncodeOptions) -> dict[str, str]:
    speed = {"deadline": "good", "cpu-used": options.preset or "4", "row-mt": "1"}
    # hidden pictures would have no alpha beside them
    chosen = {"crf": str(quality), "b": "0", "auto-alt-ref": "0", **speed}
    return chosen | ({"lossless": "1"} if options.is_lossless else {})


def hardware_quality(encoder: str, quality: int) -> dict[str, str]:
    if encoder.endswith("_nvenc"):
        return {"rc": "vbr", "cq": str(quality), "preset": "p5"}
    return {"global_quality": str(quality)} if encoder.endswith("_qsv") else {}


def joined_params(params: Mapping[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in params.items())


def x264_params(frame: av.VideoFrame) -> dict[str, str]:
    # stitchable: headers do not depend on the content, so that chunks fit together
    params = {"open-gop": "0", "stitchable": "1", **steady_x264()}
    if mastering := mastering_display(frame, "G({2},{3})B({4},{5})R({0},{1})WP({6},{7})L({8},{9})"):
        params["mastering-display"] = mastering
    if light := content_light(frame):
        params["cll"] = light
    return params


@lru_cache(maxsize=1)
def steady_x264() -> dict[str, str]:
    """Keeps x264 from its AVX-512 code, with which equal frames give unequal packets.

    Measured with x264 of PyAV 18.1: its macroblock tree gave other packets in up to 30 of 30
    runs, and in none with AVX2. Chunks that are rendered twice must not differ.
    """
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    return {"asm": "avx2"} if "avx512f" in features else {}


def x265_params(frame: av.VideoFrame) -> dict[str, str]:
    # weightp: with it equal frames gave unequal packets, by what the process had encoded before
    # (x265 of PyAV 18.1: 9 of 10 runs of the tests of parts, none without)
    params = {"open-gop": "0", "log-level": "error", "frame-threads": "1", "weightp": "0"}
    if mastering := mastering_display(frame, "G({2},{3})B({4},{5})R({0},{1})WP({6},{7})L({8},{9})"):
        params["master-display"] = mastering
    if light := content_light(frame):
        params["max-cll"] = light
    return params


def svt_params(frame: av.VideoFrame) -> dict[str, str]:
    params: dict[str, str] = {}
    numbers = mastering_numbers(frame)
    if numbers:
        red, green, blue, white, light = (
            f"({first:.5f},{second:.5f})"
            for first, second in zip(*[iter(numbers)] * 2, strict=True)
        )
        params["mastering-display"] = f"G{green}B{blue}R{red}WP{white}L{light}"
    if light := content_light(frame):
        params["content-light"] = light
    return params


def mastering_display(frame: av.VideoFrame, pattern: str) -> str | None:
    """In steps of 0.00002 (chromaticity) and 0.0001 cd/m2."""
    numbers = mastering_numbers(frame)
    if numbers is None:
        return None
    steps = [round(n * 50_000) for n in numbers[:8]] + [round(n * 10_000) for n in numbers[8:]]
    return pattern.format(*steps)


def mastering_numbers(frame: av.VideoFrame) -> list[float] | None:
    """Red x y, green x y, blue x y, white x y, most and least light in cd/m2."""
    data = frame.side_data.get("MASTERING_DISPLAY_METADATA")
    if data is None:
        return None
    *pairs, has_primaries, has_luminance = struct.unpack("22i", bytes(data)[:88])
    if not (has_primaries and has_luminance) or 0 in pairs[1::2]:
        return None
    values = [over / under for over, under in zip(pairs[0::2], pairs[1::2], strict=True)]
    least, most = values[8:]
    return [*values[:8], most, least]


def content_light(frame: av.VideoFrame) -> str | None:
    """Most light of a pixel and of a frame's mean."""
    data = frame.side_data.get("CONTENT_LIGHT_LEVEL")
    return None if data is None else "{},{}".format(*struct.unpack("2I", bytes(data)[:8]))


def choose_pix_fmt(
    encoder: str, source: str, size_wh: tuple[int, int], options: EncodeOptions
) -> str:
    """The encoder's format that keeps most of ``source`` and exactly this size."""
    if encoder == WITH_ALPHA:
        return "yuva420p"
    if options.is_compatible:
        source = "yuv420p"
    offered = [video_format.name for video_format in av.Codec(encoder, "w").video_formats or ()]
    even_wh = (0, 0) if encoder == "libsvtav1" else size_wh  # AV1 cuts half a chroma sample off
    for wanted in wishes(source, even_wh, options.is_lossless):
        if wanted in offered:
            return wanted
    raise EncoderError(
        f"{encoder} cannot encode {source} at {size_wh[0]}x{size_wh[1]}; try another --codec"
    )


def wishes(source: str, size_wh: tuple[int, int], lossless: bool) -> Iterator[str]:
    """Formats in the order of preference: subsampling and size first, then depth."""
    base, bits = parse_format(source)
    if base == "gbrp":
        base = "yuv444p" if lossless else "yuv420p"  # players rarely take RGB or 4:4:4
    bases = [base, "yuv420p"] if base != "yuv420p" else [base]
    if size_wh[0] % 2 and base in ("yuv420p", "yuv422p"):
        bases = ["yuv444p"]  # half a chroma sample cannot be cut off, the size is kept instead
    elif size_wh[1] % 2 and base == "yuv420p":
        bases = ["yuv422p", "yuv444p"]
    elif size_wh[0] % 2 or size_wh[1] % 2:
        bases = [base, "yuv444p"]
    for name in bases:
        for depth in sorted(
            {8, 10, 12} & set(range(8, 17)), key=lambda d: (d < bits, abs(d - bits))
        ):
            yield name if depth == 8 else f"{name}{depth}le"


def rare_profile(encoder: str, pix_fmt: str) -> str | None:
    """What a profile is called that many players, browsers and phones among them, cannot show.

    >>> rare_profile("libx264", "yuv422p10le"), rare_profile("libx264", "yuv420p")
    ('H.264 High 4:2:2', None)
    """
    base, bits = parse_format(pix_fmt)
    if "264" in encoder:
        if base == "yuv444p":
            return "H.264 High 4:4:4 Predictive"
        deep = "H.264 High 10" if bits > 8 else None
        return "H.264 High 4:2:2" if base == "yuv422p" else deep
    if ("265" in encoder or "hevc" in encoder) and (bits > 10 or base in ("yuv422p", "yuv444p")):
        return f"HEVC with {':'.join(base[3:6])} and {bits} bits"
    return None


def fitted_size(
    size_wh: tuple[int, int], sample_aspect: Fraction, max_long_side: int | None
) -> tuple[int, int]:
    """The coded size of which no side is shown longer than ``max_long_side``.

    The same where that is so already; else even numbers, which every encoder and player takes,
    and the shape of the picture. Raises BadOptionError.

    >>> fitted_size((1920, 1080), Fraction(1), 1280), fitted_size((720, 576), Fraction(16, 11), 640)
    ((1280, 720), (440, 352))
    """
    if max_long_side is None:
        return size_wh
    if max_long_side < LEAST_LONG_SIDE:
        raise BadOptionError(f"the longer side must be allowed {LEAST_LONG_SIDE} px or more")
    shown = size_wh[0] * max(sample_aspect, 1), size_wh[1] / min(sample_aspect, 1)
    if max(shown) <= max_long_side:
        return size_wh
    scale = Fraction(max_long_side) / max(shown)
    width, height = (max(2, round(side * scale / 2) * 2) for side in size_wh)
    longest = Placement((width, height), sample_aspect=sample_aspect).display_wh
    if max(longest) > max_long_side:  # an odd limit
        return (width - 2, height) if longest[0] > longest[1] else (width, height - 2)
    return width, height


def parse_format(name: str) -> tuple[str, int]:
    """``yuv422p10le`` is (yuv422p, 10); the full-range names count as the plain ones."""
    name = name.replace("yuvj", "yuv").removesuffix("le")
    head, _, bits = name.rpartition("p") if "p" in name else (name[:4], "", name[4:])
    return (head + "p" if "p" in name else head), int(bits or 8)


class FrameShaper:
    """Makes of a picture the frame that an encoder takes."""

    def __init__(self, pix_fmt: str, colour: ColourTags) -> None:
        self._with_alpha = pix_fmt if pix_fmt.startswith("yuva") else None
        self._pix_fmt, self._colour = pix_fmt.replace("yuva", "yuv"), colour
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._shrinker = av.video.reformatter.VideoReformatter()

    def shrink(self, frame: av.VideoFrame, size_wh: tuple[int, int]) -> av.VideoFrame:
        """The frame at another size, nothing else changed; the same samples on every machine."""
        tags = frame.colorspace, frame.color_range
        small = self._shrinker.reformat(frame, *size_wh, interpolation=GOOD_FILTER)
        small.colorspace, small.color_range = tags
        return small

    def shape(self, picture: Picture) -> av.VideoFrame:
        """A frame in ``pix_fmt``; without any change of a sample where formats allow."""
        frame = self._colours(to_frame(picture))
        return frame if self._with_alpha is None else with_alpha(frame, alpha_of(picture))

    @staticmethod
    def cut(frame: av.VideoFrame, size_wh: tuple[int, int]) -> av.VideoFrame:
        """Without what lies right of and below this size."""
        less = like(frame, av.VideoFrame(*size_wh, frame.format.name))
        for source, target in zip(planes_of(frame), less.planes, strict=True):
            writable(target, source.dtype)[:] = source[: target.height, : target.width]
        return less

    def _colours(self, frame: av.VideoFrame) -> av.VideoFrame:
        name = frame.format.name
        if name == self._pix_fmt:
            return frame
        if parse_format(name) == parse_format(self._pix_fmt):
            return relabelled(frame, self._pix_fmt)
        return self._reformatter.reformat(
            frame,
            format=self._pix_fmt,
            src_colorspace=self._matrix(frame.colorspace),
            dst_colorspace=self._matrix(self._colour.matrix),
            src_color_range=frame.color_range or None,
            dst_color_range=self._colour.range or 1,
            interpolation="BICUBIC",
        )

    @staticmethod
    def _matrix(tag: int) -> int:
        return tag if tag in (1, 4, 5, 6, 7, 9) else 5


def to_frame(picture: Picture) -> av.VideoFrame:
    if isinstance(picture, PlanesPicture):
        return picture.to_video_frame()
    pixels = np.uint8(np.clip(np.rint(picture.region(whole(picture))), 0, 255))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame.color_range, frame.colorspace = 2, 0
    return frame


def relabelled(frame: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
    """The same samples under another name of the same format (yuvj420p, yuv420p)."""
    same = like(frame, av.VideoFrame(frame.width, frame.height, pix_fmt))
    for source, target in zip(planes_of(frame), same.planes, strict=True):
        writable(target, source.dtype)[:] = source
    return same


def with_alpha(frame: av.VideoFrame, alpha: Array | None) -> av.VideoFrame:
    """An 8-bit 4:2:0 frame as yuva420p; opaque where there is no alpha (h, w)."""
    whole = like(frame, av.VideoFrame(frame.width, frame.height, "yuva420p"))
    opaque = np.full((frame.height, frame.width), 255, np.uint8) if alpha is None else alpha
    for source, target in zip((*planes_of(frame), opaque), whole.planes, strict=True):
        writable(target, np.uint8)[:] = source
    return whole


def alpha_of(picture: Picture) -> Array | None:
    """(h, w) uint8, in coded orientation, of a decoded frame."""
    return picture.carrier.alpha if isinstance(picture, PlanesPicture) else None


def like(frame: av.VideoFrame, same: av.VideoFrame) -> av.VideoFrame:
    """A new frame with the tags of another."""
    same.colorspace, same.color_range = frame.colorspace, frame.color_range
    same.color_primaries, same.color_trc = frame.color_primaries, frame.color_trc
    same.duration = frame.duration
    same.pict_type = PictureType.NONE
    return same


def describe_fault(encoder: str, fault: Exception) -> EncoderError:
    return EncoderError(f"{encoder} failed ({plain_reason(fault)}); try another --codec")
