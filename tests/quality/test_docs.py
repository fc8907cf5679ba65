"""The page on quality tells the figures as the program has them."""

from __future__ import annotations

from pathlib import Path

from lendface.quality.tables import definitions_table

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"


def test_the_page_lists_every_figure() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- figures -->\n")[1].split("<!-- /figures -->")[0]
    assert shown == definitions_table(), "write definitions_table() between the two comments"
