"""Sentences of ours, as somebody reads them who has no command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lendface
from lendface.facades.akool.envelopes import in_akools_words
from lendface.facades.problems import WORDS
from lendface.facades.words import Clause, in_words

# What a worker or a server can say: everything below the command line.
ROOMS = ("engine", "media", "models", "pipeline", "trust", "net", "service", "jobs", "storage")
OURS = re.compile(r"(?<![\w-])--[a-z]|\blendface (scan|consent|swap|keys|protect)\b")


def sentences() -> Iterator[str]:
    """All texts in the source that name an option or a command, but for docstrings."""
    root = Path(lendface.__file__).parent
    for path in (root / "errors.py", *(p for room in ROOMS for p in (root / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Expr):
                node.value = ast.Constant(None)  # a docstring
            text = text_of(node)
            if text and OURS.search(text):
                yield text


def text_of(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(text_of(each) or "X" for each in values)
    return ""


def test_there_are_such_sentences() -> None:
    assert any("--source-face" in text for text in sentences())
    assert any("--codec" in text for text in sentences())


def test_none_of_them_reaches_a_client_with_an_option_or_a_command() -> None:
    for text in sentences():
        for told in (in_words(text, WORDS), in_akools_words(text), in_words(text, {})):
            assert not OURS.search(told), text


@pytest.mark.parametrize(
    ("sentence", "words", "told"),
    [
        ("a; take --a or --b", {"--a": "x"}, "a"),
        ("a; take --a or --b; or stop", {"--a": "x"}, "a; or stop"),
        ("a; take --a or --b", {"--a": "x", "--b": "y.z"}, "a; take x or y.z"),
        ("a; take --a 1..2, from left to right", {"--a": Clause("say who")}, "a; say who"),
        ("--max-fps is wrong", {}, "max_fps is wrong"),
        ("it is large (use --small) and so on", {}, "it is large and so on"),
        ("it is large (use --small) and so on", {"--small": "s"}, "it is large (use s) and so on"),
        ("a--b and a file my--start.mp4", {}, "a--b and a file my--start.mp4"),
        ("xn--bcher-kva.example cannot be reached", {}, "xn--bcher-kva.example cannot be reached"),
        ("install lendface again", {}, "install lendface again"),
        ("a; with: lendface scan TARGET", {}, "a"),
        ("", {}, ""),
    ],
)
def test_what_is_told(sentence: str, words: dict[str, str], told: str) -> None:
    assert in_words(sentence, words) == told
