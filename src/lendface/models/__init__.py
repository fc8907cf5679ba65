"""Weights and runtimes that play the engine's roles. No runtime is imported before it is used."""

from .age import AgeReader, CydralAge, FaceresAge
from .blaze import BlazeFace
from .blendshapes import Blendshapes
from .canonical import load_expression_basis, load_topology
from .catalog import (
    CATALOG,
    ModelSpec,
    check_allowed,
    get_spec,
    is_allowed,
    licence_text,
    load_bytes,
)
from .facemesh import FaceMesh
from .faceres import Faceres
from .hands import Hands
from .kit import ModelKit, load_kit
from .nsfw import OpenNsfw
from .session import RuntimeOptions, Session, offered_providers, open_session
from .sface import SAME_PERSON_COSINE, SFace
from .turned import TurnTolerantDetector
from .yunet import YuNet

__all__ = [
    "CATALOG",
    "SAME_PERSON_COSINE",
    "AgeReader",
    "BlazeFace",
    "Blendshapes",
    "CydralAge",
    "FaceMesh",
    "Faceres",
    "FaceresAge",
    "Hands",
    "ModelKit",
    "ModelSpec",
    "OpenNsfw",
    "RuntimeOptions",
    "SFace",
    "Session",
    "TurnTolerantDetector",
    "YuNet",
    "check_allowed",
    "get_spec",
    "is_allowed",
    "licence_text",
    "load_bytes",
    "load_expression_basis",
    "load_kit",
    "load_topology",
    "offered_providers",
    "open_session",
]
