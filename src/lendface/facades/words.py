"""Sentences in the words of whoever asked.

Errors and warnings name options as the command line has them. A client of an API has other names
for some of them, and none for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

COMMANDS = "audit|certificate|config|consent|erase|keys|models|protect|scan|serve|swap|work"
TOKEN = rf"(?<![\w-])--[a-z][a-z0-9-]*|\blendface (?:{COMMANDS})\b(?: [a-z]+\b| [A-Z]+\b)?"
FOUND = re.compile(TOKEN)
ASIDE = re.compile(rf" \([^()]*(?:{TOKEN})[^()]*\)")  # in brackets


class Clause(str):
    """Told instead of the whole clause in which an option is named."""


Words = Mapping[str, str]  # an option of the command line, or a command: what it is called here


def in_words(sentence: str, words: Words) -> str:
    """A sentence of ours without options that the caller does not have.

    A clause that names an unknown one is left out: it would be a way out that is none.

    >>> in_words("2 faces in it; say which with --source-face 1..2", {"--source-face": "face"})
    '2 faces in it; say which with face 1..2'
    >>> in_words("2 faces in it; say which with --source-face 1..2", {})
    '2 faces in it'
    >>> in_words("many players cannot show it (use --compatible)", {})
    'many players cannot show it'
    """
    first, *ways = sentence.split("; ")
    told = [_first(first, words), *(_way(way, words) for way in ways)]
    return "; ".join(clause for clause in told if clause)


def _way(clause: str, words: Words) -> str:
    """Empty where it names what the caller does not have."""
    named = FOUND.findall(clause)
    if any(name not in words for name in named):
        return ""
    whole = next((words[name] for name in named if isinstance(words[name], Clause)), None)
    return whole or FOUND.sub(lambda found: words[found[0]], clause)


def _first(clause: str, words: Words) -> str:
    """What has happened, which is always told."""
    kept = ASIDE.sub(lambda found: found[0] if _way(found[0], words) else "", clause)
    return FOUND.sub(lambda found: words.get(found[0]) or _bare(found[0]), kept)


def _bare(token: str) -> str:
    """
    >>> _bare("--max-fps")
    'max_fps'
    """
    return token.removeprefix("--").replace("-", "_")
