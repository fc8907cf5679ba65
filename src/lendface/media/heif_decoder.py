"""A program of its own that decodes a HEIC, AVIF or TIFF picture nobody has looked at yet.

Like ``inspector.py`` it has little memory and time, no variables, no other file and no network, and
may crash. ``python -I heif_decoder.py QUESTION``, with the question as JSON, prints a line of JSON
and then the pixels. ``heif.py`` asks it.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # isolated, so it finds only what its Python has by itself
    sys.path.extend(path for path in json.loads(sys.argv[1])["paths"] if path not in sys.path)

THREADS = 2  # each takes memory, that of its tiles too
NOT_BEGUN = 3
BITS_PER_SAMPLE = 258
TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")
MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", *TRANSPARENT)
EXIF_HEAD = b"Exif\0\0"


def load_libraries() -> list[str]:
    """Everything that is needed, before nothing can be opened any more. Returns their folders."""
    import PIL
    from PIL import AvifImagePlugin, Image

    try:
        import pillow_heif as heif
    except ImportError:
        import pi_heif as heif  # type: ignore[import-not-found, no-redef]

    heif.register_heif_opener(decode_threads=THREADS, thumbnails=False, aux_images=False)
    AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
    Image.MAX_IMAGE_PIXELS = None  # ours is asked below
    return [str(Path(str(module.__file__)).parent) for module in (os, PIL, heif)]


def confine(question: dict[str, Any], libraries: list[str]) -> None:
    """As ``inspector.confine``."""
    import resource

    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    memory, cpu_s = in_use + question["memory_bytes"], question["cpu_s"]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    load_sandbox().confine(question["path"], libraries)


def load_sandbox() -> Any:
    """Our neighbour, without the package that we both stand in."""
    spec = spec_from_file_location("sandbox", Path(__file__).with_name("sandbox.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decode(question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What is told, and the pixels: rows of RGB or RGBA, 8 bits each."""
    from PIL import Image

    formats = [question["format"]]
    with open(question["path"], "rb") as file, Image.open(file, formats=formats) as image:
        if image.width * image.height > question["max_pixels"]:
            return {"fault": "larger than it claims"}, b""
        if image.mode not in MODES:  # Pillow would cut its values off, and not scale them
            return {"fault": f"mode {image.mode}"}, b""
        told = {"bit_depth": bit_depth_of(image)}
        image.load()
        info = dict(image.info)
        mode = "RGBA" if image.mode in TRANSPARENT else "RGB"
        pixels = image if image.mode == mode else image.convert(mode)
        told |= {"size_wh": pixels.size, "channels": len(mode)}
        kept = {"exif": exif_of(info), "icc": info.get("icc_profile"), "xmp": info.get("xmp")}
        told |= {name: b64encode(as_bytes(value)).decode() for name, value in kept.items()}
        return told, pixels.tobytes()


def bit_depth_of(image: Any) -> int:
    """Of a TIFF; the others say it in their boxes."""
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, 8)
    return max(bits) if isinstance(bits, tuple) else bits


def exif_of(info: dict[str, Any]) -> bytes:
    return as_bytes(info.get("exif")).removeprefix(EXIF_HEAD)


def as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def main() -> None:
    question = json.loads(sys.argv[1])
    try:
        libraries = load_libraries()
    except ImportError:
        sys.exit(NOT_BEGUN)
    confine(question, libraries)
    pixels = b""
    try:
        told, pixels = decode(question)
    except MemoryError:
        raise
    except Exception as fault:  # whatever a library says of a broken file
        told = {"fault": type(fault).__name__}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.write(pixels)


if __name__ == "__main__":
    main()
