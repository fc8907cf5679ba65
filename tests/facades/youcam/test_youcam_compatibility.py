"""The page that says what works."""

from __future__ import annotations

from facades.youcam import compatibility_page


def test_the_committed_page_is_what_the_code_says() -> None:
    assert compatibility_page.PAGE.read_text(encoding="utf-8") == compatibility_page.render()


def test_no_code_is_left_out() -> None:
    compatibility_page.check()
