"""The page of a swap's report: plain HTML that needs nothing else, no script and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .sheets import told_time

SWAPPED, FADED, LEFT, NOBODY = "#2e8b57", "#e0a526", "#c4472b", "#e4e4e2"
COLOURS = {"swapped": SWAPPED, "faded": FADED, "left": LEFT}
BAR_HEIGHT = 24
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #202024; background: #fafaf8;
       max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem }
p { margin: .3rem 0 } .pale { color: #6e6e74 } .warning { color: #a33a20 }
svg { width: 100%; height: 24px; display: block; border-radius: 3px; margin: .5rem 0 }
i { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin: 0 .3em 0 0 }
span.share { margin-right: 1.4em }
.seconds { display: flex; flex-wrap: wrap; gap: 1.2rem; margin-top: .8rem }
figure { margin: 0; width: 20rem } figure img { width: 49%; border-radius: 3px }
figcaption { font-size: .88rem }
"""


def page(facts: Mapping[str, Any], addresses: Mapping[str, str]) -> str:
    """The report ``facts`` as one HTML page. ``addresses``: where each picture is found."""
    title = f"{facts['output']}: what was swapped"
    sources = ", ".join(facts["sources"])
    warnings = "".join(f'<p class="warning">{escape(w)}</p>' for w in facts["warnings"])
    people = "".join(person_part(person, addresses) for person in facts["people"])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>"
        f'<p class="pale">{escape(sources)} on {escape(facts["target"])}: {facts["frames"]} '
        f"frames, {facts['seconds']:.1f} s, {facts['cast_size']} in the cast</p>{warnings}\n"
        f"{people}</body></html>\n"
    )


def person_part(person: Mapping[str, Any], addresses: Mapping[str, str]) -> str:
    shares = "".join(
        f'<span class="share"><i style="background:{COLOURS[kind]}"></i>'
        f"{kind} {100 * share:.1f} %</span>"
        for kind, share in person["shares"].items()
    )
    seconds = "".join(second_part(second, addresses) for second in person["worst_seconds"])
    return (
        f"<h2>Face {person['face']}</h2>"
        f'<p>{shares}<span class="pale">of {person["frames"]} frames</span></p>'
        f"{timeline(person['strength_over_time'])}"
        f'<div class="seconds">{seconds}</div>\n'
    )


def second_part(second: Mapping[str, Any], addresses: Mapping[str, str]) -> str:
    """The worst frame of a second, before and after, and why it went so."""
    pictures = "".join(
        f'<img alt="{which}" src="{escape(addresses[name])}"> '
        for name, which in zip(second["pictures"], ("target", "output"), strict=True)
        if name in addresses
    )
    told = ", ".join(second["reasons"])
    return (
        f"<figure>{pictures}<figcaption><b>{told_time(second['time_s'])}</b> "
        f"{how_much(second['frame_strength'])}"
        f'<span class="pale">{": " if told else ""}{escape(told)}</span></figcaption></figure>'
    )


def how_much(strength: float) -> str:
    """A strength 0..1 in words.

    >>> how_much(1.0), how_much(0.4), how_much(0.0)
    ('swapped', 'faded to 40 %', 'left')
    """
    if strength > 0.99:
        return "swapped"
    return f"faded to {max(1, round(100 * strength))} %" if strength > 0 else "left"


def timeline(strengths: Sequence[float | None]) -> str:
    """A bar for each part of the film, coloured by the strength 0..1; pale where nobody is seen."""
    drawn = "".join(
        f'<rect x="{bar}" width="1.02" height="{BAR_HEIGHT}" fill="{colour_of(strength)}"/>'
        for bar, strength in enumerate(strengths)
        if strength is not None
    )
    return (
        f'<svg viewBox="0 0 {len(strengths)} {BAR_HEIGHT}" preserveAspectRatio="none" role="img">'
        f'<rect width="{len(strengths)}" height="{BAR_HEIGHT}" fill="{NOBODY}"/>{drawn}</svg>'
    )


def colour_of(strength: float) -> str:
    kind = "swapped" if strength > 0.99 else "faded" if strength > 0 else "left"
    return COLOURS[kind]
