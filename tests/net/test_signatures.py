"""Standard Webhooks: exact headers, checked by the standard's own library."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from lendface.errors import BadOptionError
from lendface.net.signatures import (
    new_standard_secret,
    read_standard_secret,
    sign_standard,
    standard_headers,
)

# Vectors that the standard's own library accepts, for YouCam's webhooks.
SECRET = "whsec_c2VsZi1ob3N0ZWQtZmFjZXN3YXAtdGVzdC1rZXktMDE="
TASK = "AbCdEf0123456789-_AbCdEf0123456789-_AbCdEf0123456789-_AbCdEf0123"
MESSAGE = f"msg_{TASK}:1790000000"
BODY = b'{"created_at":1790000000,"data":{"task_id":"%b","task_status":"success"}}' % TASK.encode()


@pytest.mark.parametrize(
    ("timestamp_s", "body", "signature"),
    [
        (1790000007, BODY, "v1,eQQz8KAiQPRNTROuw1zoQVjWXbKJym2XWjJsZU0imeM="),
        (1790000012, BODY, "v1,I7V+enKjH9eAwhf5UhqM2VvABjv3yJdEGU+Ny36SzeI="),
        (
            1790000007,
            BODY.replace(b"success", b"error"),
            "v1,KXlQ8QK9Qryi+KEVBx1rKPpqTzergrvuFTmQjgDU4uQ=",
        ),
    ],
)
def test_the_known_signatures_come_out(timestamp_s: int, body: bytes, signature: str) -> None:
    assert len(BODY) == 135
    assert sign_standard(SECRET, MESSAGE, timestamp_s, body) == signature


def test_the_secret_is_decoded_before_it_is_a_key() -> None:
    undecoded = base64.b64encode(SECRET.encode()).decode()
    wrong = "v1,1c3seduVXhkRySFXZoLUZ4DsooowiXJwJ522HyAvKKA="
    assert sign_standard(f"whsec_{undecoded}", MESSAGE, 1790000007, BODY) == wrong
    assert sign_standard(SECRET, MESSAGE, 1790000007, BODY) != wrong


def test_the_body_is_signed_as_it_is_sent_and_not_as_it_reads() -> None:
    spaced = json.dumps(json.loads(BODY)).encode()
    wrong = "v1,Aiy2fWvZODfo/HQJ4FPP5sLfiH/VkEPCnt54bwkghDE="
    assert sign_standard(SECRET, MESSAGE, 1790000007, spaced) == wrong
    assert sign_standard(SECRET, MESSAGE, 1790000007, BODY) != wrong


def test_the_standards_own_library_accepts_our_headers() -> None:
    secret = new_standard_secret()
    headers = standard_headers([secret], "msg_1:2", int(time.time()), BODY)
    assert list(headers) == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


@pytest.mark.parametrize(
    ("field", "value"),
    [("webhook-id", "msg_2"), ("webhook-timestamp", "now+1"), ("webhook-signature", "v1,AAAA")],
)
def test_the_standards_own_library_notices_what_was_changed(field: str, value: str) -> None:
    now_s = int(time.time())
    headers = standard_headers([SECRET], "msg_1", now_s, BODY)
    headers[field] = str(now_s + 1) if value == "now+1" else value
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", standard_headers([SECRET], "msg_1", now_s, BODY))


def test_while_secrets_change_both_the_old_and_the_new_are_accepted() -> None:
    old, new, other = (new_standard_secret() for _ in range(3))
    headers = standard_headers([new, old], "msg_1", int(time.time()), BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


def test_a_new_secret_is_whsec_and_32_random_bytes() -> None:
    assert new_standard_secret(lambda size: b"k" * size) == (
        "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    )
    assert len(read_standard_secret(new_standard_secret())) == 32
    assert new_standard_secret() != new_standard_secret()


def test_missing_padding_is_added() -> None:
    assert read_standard_secret(SECRET.rstrip("=")) == b"self-hosted-faceswap-test-key-01"
    assert read_standard_secret(SECRET) == read_standard_secret(SECRET.rstrip("="))


@pytest.mark.parametrize("secret", ["", "whsec_", "c2VsZg==", "whsec_a", "whsec_-_-_", "whsec_ä"])
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(BadOptionError, match=r"whsec_ followed by base64$") as refused:
        sign_standard(secret, "msg_1", 0, b"")
    assert secret in ("", "whsec_") or secret not in str(refused.value)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(BadOptionError):
        standard_headers([], "msg_1", 0, b"")
