"""Links of our own: what they grant, and that nothing else can be made of them."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import (
    BadOptionError,
    BlobKeyError,
    LinkRefusedError,
    SignatureExpiredError,
    SignatureInvalidError,
)
from lendface.storage.signing import Grant, UrlSigner, attachment

SECRET, OTHER = b"s" * 32, b"o" * 32
NOW_S = 1_795_000_000.5
SIGNER = UrlSigner(SECRET, "https://swap.example.org/base/")


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def put_path(key: str = "up/1", size: int = 100, expires_s: int = 60) -> str:
    return path_of(SIGNER.presign_put(key, "video/mp4", size, expires_s, NOW_S).url)


def get_path(key: str = "up/1") -> str:
    return path_of(SIGNER.presign_get(key, 60, NOW_S, "film.mp4", "video/mp4"))


def token_of(path: str) -> tuple[str, str]:
    content, _, signature = path.removeprefix("/base/blobs/").partition(".")
    return content, signature


# What a link grants


def test_a_link_to_put_says_what_to_send_and_grants_just_that() -> None:
    request = SIGNER.presign_put("up/1", "video/mp4", 100, 60, NOW_S)
    assert request.method == "PUT"
    assert request.url.startswith("https://swap.example.org/base/blobs/")
    assert request.headers == {"Content-Type": "video/mp4", "Content-Length": "100"}
    grant = SIGNER.verify("PUT", path_of(request.url), NOW_S)
    assert grant == Grant("up/1", "PUT", 1_795_000_060, 100, "video/mp4")


def test_a_link_to_get_carries_name_and_type_and_allows_head() -> None:
    expected = Grant("up/1", "GET", 1_795_000_060, None, "video/mp4", "film.mp4")
    for method in ("GET", "HEAD"):
        assert SIGNER.verify(method, get_path(), NOW_S) == expected


def test_a_proxy_may_take_the_beginning_of_the_path_away() -> None:
    path = get_path()
    assert SIGNER.verify("GET", path.removeprefix("/base"), NOW_S).key == "up/1"


def test_a_grant_holds_an_upload_to_its_type_and_length() -> None:
    grant = SIGNER.verify("PUT", put_path(), NOW_S)
    grant.check_upload("video/mp4", 100)
    grant.check_upload(" Video/MP4 ", 100)
    for content_type, size in [
        ("video/mp4", 101), ("video/mp4", 99), ("video/mp4", None), ("text/html", 100),
        ("video/mp4; charset=x", 100), ("", 100), (None, 100),
    ]:  # fmt: skip
        with pytest.raises(SignatureInvalidError):
            grant.check_upload(content_type, size)


def test_a_grant_to_get_is_none_to_put() -> None:
    with pytest.raises(SignatureInvalidError):
        SIGNER.verify("GET", get_path(), NOW_S).check_upload("video/mp4", None)


# What it does not grant


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", put_path()), ("HEAD", put_path()), ("POST", put_path()), ("DELETE", put_path()),
        ("put", put_path()), ("PUT", get_path()), ("DELETE", get_path()), ("get", get_path()),
        ("OPTIONS", get_path()), ("", get_path()),
    ],
)  # fmt: skip
def test_a_link_is_for_its_method_alone(method: str, path: str) -> None:
    with pytest.raises(SignatureInvalidError):
        SIGNER.verify(method, path, NOW_S)


def test_a_link_expires_at_its_second() -> None:
    path = put_path(expires_s=60)
    assert SIGNER.verify("PUT", path, 1_795_000_059.999)
    with pytest.raises(SignatureExpiredError, match="ask for a new one"):
        SIGNER.verify("PUT", path, 1_795_000_060.0)


def test_a_forged_link_is_invalid_and_not_expired() -> None:
    forged = path_of(UrlSigner(OTHER, "").presign_get("up/1", 60, NOW_S))
    for now_s in (NOW_S, NOW_S + 3600):
        with pytest.raises(SignatureInvalidError):
            SIGNER.verify("GET", forged, now_s)


@pytest.mark.parametrize(
    "field", ["key", "method", "expires_at_s", "size", "content_type", "file_name"]
)
def test_no_part_of_a_grant_can_be_changed_or_taken_away(field: str) -> None:
    content, signature = token_of(put_path())
    grant = json.loads(base64.urlsafe_b64decode(content + "=="))
    for change in ({field: "GET"}, {field: 2_000_000_000}, {"more": 1}):
        changed = base64.urlsafe_b64encode(json.dumps({**grant, **change}).encode())
        with pytest.raises(SignatureInvalidError):
            SIGNER.verify("GET", f"/blobs/{changed.decode().rstrip('=')}.{signature}", NOW_S)


def test_signatures_of_two_links_cannot_be_exchanged() -> None:
    (one, sign_one), (two, sign_two) = token_of(put_path("a")), token_of(put_path("b"))
    for token in (f"{one}.{sign_two}", f"{two}.{sign_one}"):
        with pytest.raises(SignatureInvalidError):
            SIGNER.verify("PUT", f"/blobs/{token}", NOW_S)


def test_nothing_can_be_added_to_a_link() -> None:
    path = get_path()
    for wrong in (
        f"{path}?", f"{path}?file_name=x", f"{path}#x", f"{path}/", f"{path}=", f"{path}\n",
        f"{path}.x", f"{path}%20", path.replace(".", ".."), path.replace(".", ""),
        path.replace("/blobs/", "/blobs//x/"), "/blobs/", "", "?", "/blobs/.", "/blobs/ä.ö",
        path.upper(), path[:-1], path.replace(".", "="),
    ):  # fmt: skip
        with pytest.raises(SignatureInvalidError):
            SIGNER.verify("GET", wrong, NOW_S)


def test_a_signature_has_one_spelling() -> None:
    """The last letter of base64 has bits that decode to nothing."""
    path = get_path()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = []
    for letter in letters:
        try:
            SIGNER.verify("GET", path[:-1] + letter, NOW_S)
            good.append(letter)
        except SignatureInvalidError:
            pass
    assert good == [path[-1]]


@given(st.text())
def test_no_text_is_a_link(text: str) -> None:
    for path in (text, f"/blobs/{text}"):
        with pytest.raises(LinkRefusedError):
            SIGNER.verify("GET", path, NOW_S)


# Secrets


def test_links_stay_good_when_the_secret_is_renewed() -> None:
    renewed = UrlSigner(OTHER, "https://swap.example.org", (SECRET,))
    assert renewed.verify("GET", get_path(), NOW_S).key == "up/1"
    fresh = path_of(renewed.presign_get("up/1", 60, NOW_S))
    with pytest.raises(SignatureInvalidError):
        SIGNER.verify("GET", fresh, NOW_S)
    with pytest.raises(SignatureInvalidError):
        UrlSigner(OTHER, "").verify("GET", get_path(), NOW_S)


def test_a_short_secret_is_refused() -> None:
    for secrets in ((b"short", ()), (SECRET, (b"short",))):
        with pytest.raises(BadOptionError, match="32 bytes"):
            UrlSigner(secrets[0], "", secrets[1])


def test_no_link_is_made_for_an_evil_key() -> None:
    with pytest.raises(BlobKeyError):
        SIGNER.presign_get("../secret", 60, NOW_S)


def test_the_form_of_a_link_stays_what_it_was() -> None:
    """Links that are out must survive an update of the server."""
    assert put_path("a") == (
        "/base/blobs/eyJjb250ZW50X3R5cGUiOiJ2aWRlby9tcDQiLCJleHBpcmVzX2F0X3MiOjE3OTUwMDAwNjAsImZpbGVf"
        "bmFtZSI6bnVsbCwia2V5IjoiYSIsIm1ldGhvZCI6IlBVVCIsInNpemUiOjEwMH0"
        ".5BmR620ODceD6VUZxVmwp7E6NfH_-MJJ3KpX1wSmeA0"
    )


# Names of files


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("film.mp4", "attachment; filename=\"film.mp4\"; filename*=UTF-8''film.mp4"),
        (
            'a"b\\c/d\r\nX: y',
            "attachment; filename=\"a_b_c_d__X: y\"; filename*=UTF-8''a_b_c_d__X%3A%20y",
        ),
        ("映画.mp4", "attachment; filename=\"__.mp4\"; filename*=UTF-8''%E6%98%A0%E7%94%BB.mp4"),
        ("\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
        ("", "attachment; filename=\"\"; filename*=UTF-8''"),
    ],
)
def test_a_name_of_any_letters_is_a_safe_header(name: str, expected: str) -> None:
    assert attachment(name) == expected
