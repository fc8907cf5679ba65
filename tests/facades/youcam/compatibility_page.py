"""Writes docs/compatibility/youcam.md from the code:
``PYTHONPATH=tests python tests/facades/youcam/compatibility_page.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from facades.pages import code, table
from facades.youcam.customers import VENDORS_CODES
from lendface.facades.youcam import legacy, routes, schemas, terms
from lendface.facades.youcam.envelope import WORDS_BY_ERROR
from lendface.facades.youcam.faults import CODES_BY_KIND, KIND_BY_CODE, MESSAGE_BY_KIND
from lendface.facades.youcam.terms import IMAGE_LIMITS, MIB, PREFIX, VIDEO_LIMITS, Terms
from lendface.net.schedule import TIMES_S
from lendface.service.endpoints import MAX_ENDPOINTS
from lendface.service.logins import FRESH_MS, KEY_BITS
from lendface.service.prices import SECONDS_PER_UNIT

PAGE = Path(__file__).parents[3] / "docs" / "compatibility" / "youcam.md"
HEAD = f"""# YouCam's clients

*This page is made from the code:
`PYTHONPATH=tests python tests/facades/youcam/compatibility_page.py`.*

A client of YouCam's S2S API (Perfect Corp) works with lendface when its base URL is this server's
and its API key is one of this server's:

```bash
lendface keys create --name "a shop" --quota-units 500   # prints the API key
lendface webhooks create CLIENT https://shop.example/told  # instead of the vendor's console
```

All addresses begin with `{PREFIX}`, as the vendor's do; set `LENDFACE_PUBLIC_URL`, since links to
files are absolute. Only the film face swap and the picture face swap are here; another feature's
address is 404 `NotFound`. The vendor's limits and times are kept to; what an operator may change is
under *The YouCam API* in [settings](../settings.md).
"""

MODELS = {
    "One of `files`": schemas.NewFile,
    "Film task": schemas.NewVideoTask,
    "Picture task": schemas.NewImageTask,
    "One of `face_mapping`": schemas.MappedFace,
    "Faces of a picture": schemas.NewFacesTask,
    "Deletion": schemas.DeletedTask,
    "Login": schemas.Login,
}
MEANINGS = {
    "content_type": "echoed; the upload must have it",
    "file_name": "echoed",
    "file_size": "exact, in bytes; the upload must have it; version 1.0 does not ask for it",
    "src_file_id": "what is changed; this or the URL, and this where both are given",
    "src_file_url": "fetched by the server; public addresses only",
    "ref_file_id": "the new face; this or the URL, and this where both are given",
    "ref_file_url": "fetched by the server; public addresses only",
    "ref_file_ids": "the new faces; these or the URLs",
    "ref_file_urls": "fetched by the server; public addresses only",
    "dst_duration": f"whole seconds, up to {terms.MAX_SECONDS}; 12.0 is 12",
    "face_mapping": "in any order; a face that is not named is left alone",
    "index": "which reference, from 0; -1 with position -1: nobody",
    "position": "which face as they were found, from the left, from 0",
    "task_id": "",
    "client_id": "as `keys create` printed it, or the API key itself",
    "id_token": "base64 of `client_id=ID&timestamp=MS`, encrypted (PKCS 1 v1.5 or OAEP)",
}
WHEN = {
    "InvalidApiKey": "no key, or an unknown one",
    "InactiveApiKey": "the key or its client was revoked, or may only read",
    "ExpiredApiKey": "the key was replaced by another",
    "InvalidAccessToken": "a token of a login that is wrong, over, or whose key has ended",
    "InvalidAuthentication": "a login with a wrong id, secret or time, one that was used before, "
    "or of a client with no key",
    "InvalidParameters": "a field is missing, null or out of range; an unknown, expired or never "
    "uploaded file; a URL that may not be fetched; a wrong page",
    "BadRequest": "the body is not a JSON object, or too large",
    "CreditInsufficiency": "the balance does not cover the task beside what runs",
    "NotFound": "no such address",
    "TooManyRequests": f"more than {Terms('').max_requests} requests in {terms.WINDOW_S} s of one "
    "key or one address; with `Retry-After`",
    "ServiceUnavailable": "the database, the files or the disk, or too many jobs wait; with "
    "`Retry-After`",
    "InternalError": "a mistake of ours; the log tells more under `x-request-id`",
    "InvalidTaskId": "unknown, malformed, deleted, expired, lost, another's, or another feature's",
    "OperationInvalid": "the task has not finished",
    "OperationNotSupport": "a look at faces, which has nothing to delete",
    "TaskTimeout": "the task took longer than `LENDFACE_JOB_TIMEOUT_S`",
}
OF_ROUTES = {  # raised by routes, not made of our errors
    "InvalidTaskId": (400, "polls, deletion"),
    "OperationInvalid": (400, "deletion"),
    "OperationNotSupport": (400, "deletion"),
    "TaskTimeout": (500, "polls"),
}
NEVER = {
    "exceed_nsfw_retry_limits": "results are not tried again",
    "error_decode_mask": "no feature here takes a mask",
    "error_download_mask": "no feature here takes a mask",
    "error_pose": "a face that is turned too far is left as it is",
    "error_large_face_angle": "a face that is turned too far is left as it is",
    "error_face_parsing": "there is no such step",
    "error_unexpected_video_duration": "a wrong `dst_duration` is not an error, see below",
}
NEVER_OF_REQUESTS = "`InvalidStyle` and `InvalidStyleGroup` belong to other features."

CHOICES = f"""## Where the vendor's pages leave a choice

* **`dst_duration`** is 1 to {terms.MAX_SECONDS}. A film that is less than {terms.MISMATCH_S:g} s
  longer is taken whole, since clients round; a longer one is cut, a shorter one taken as it is.
  Units are counted from the smaller of `dst_duration` and the film's own length.
* **Several people, or nobody.** A film in which several people are clearly seen is
  `error_multiple_people`, one without a usable face `error_no_face`; so is a reference with several
  faces or none. A person who passes by for a moment does not count.
* **A film of {terms.MAX_SECONDS} s** may last {terms.SOUND_S:g} s longer: sound often does. Results
  never do.
* **Results** are MP4 with the film's own sound; of pictures, in the source's format.
* **A file that was declared and never sent** is 400 `InvalidParameters` when a task is begun; the
  text says which field, and that it was never sent.
* **Version 1.0 declares no size.** Its upload may have any up to the limit, and its link asks for
  no `Content-Length`. A bucket cannot hold such a link to a limit; what is too large is deleted
  when it is noticed.
* **Errors** name the field as it came: `src_file_id`, `ref_file_ids[1]`,
  `payload.actions[0].params.dst_duration`. So do failed tasks, in `error_message`.
* **One film as source and reference** is the reference's fault: `error_decode_image`.
* **Deleting a task** deletes its result at once, and its files where no running task needs them.
* **Refusals.** What the server's rules forbid is `error_nsfw_content_detected` (content) or
  `invalid_parameter` (protected faces, a face without consent on record); a key whose owner has not
  stated that they hold consent is refused at once, with 400 `InvalidParameters`. Keys that
  `lendface keys create` makes have that statement. `error_message` says whose face or which file it
  is, and by which rule unless `LENDFACE_TELL_REFUSALS=false`: never a score or who is on a list.
* **Pages in a browser** may call all of these addresses, send files and fetch results, from any
  origin: the key comes in a header, there are no cookies, and a preflight (`OPTIONS`) needs no key.
  `LENDFACE_CORS_VENDORS=false` closes that. Files in a bucket need [a rule](../storage.md) of the
  bucket. A key in a page can be read by everybody who opens it: give such a key a small quota.
* **Marks.** Every result holds a signed manifest that says that AI replaced faces in it, and its
  metadata say so, too. `LENDFACE_LABEL=always` also writes it into the picture; no request asks for
  that here, and none leaves any of it out.
* **Units.** The balance in `client/credit` is what was not charged yet; units of running tasks
  still count as there, and cannot be promised twice: a task they do not cover is
  `CreditInsufficiency`. All units are one grant of type `{"ApiPaygToken"}` that never expires; a
  client without a quota sees 1,000,000,000.
* **Lost tasks.** At the vendor a task that is not polled in time expires, and may be charged all
  the same. Here it is not lost: its result waits for as long as it is kept. Where the operator sets
  `LENDFACE_YOUCAM_POLL_WINDOW_S`, a task that ran for longer than that between two polls is
  `InvalidTaskId` for good, and it is *never charged*; leave it off where clients wait for webhooks.
* **The rate** of a key is the vendor's, or five times what `keys create --rate` says, or what
  `LENDFACE_YOUCAM_MAX_REQUESTS` says. Behind a proxy set `LENDFACE_TRUSTED_PROXIES`, or all clients
  come from one address. Each process of a server counts for itself.
* **Webhooks** go to all endpoints of the account for every kind of task.

## What is better here

* Films, faces and keys stay on this server: nothing leaves it but what is fetched for a request and
  its webhooks.
* A task that is not polled waits; one that expires, fails or is refused costs nothing. A charge
  comes with success only, once.
* Pictures take several faces, each with its own reference (`face_mapping`); limits on films can be
  lifted (`LENDFACE_YOUCAM_LIMITS=false`).
* A failed task says which file was the reason, and why.

## Where we differ

* The answer to a PUT has a small JSON body where files lie in a folder; in a bucket it is empty.
* 429 and 503 have a `Retry-After`.
* `GET {PREFIX}/v2.0/credit`, which does not exist, is `NotFound` in the usual envelope.
* Version 1 takes the film task too; its parameters are not published, so `dst_duration` is expected
  among them, and its `dst_id` is the id of the task.
* Endpoints may be `http`; whatever is not public needs `LENDFACE_FETCH_ALLOW`.
"""


def render() -> str:
    return "\n".join(f"{part.strip()}\n" for part in parts())


def parts() -> Iterator[str]:
    yield HEAD
    yield "## Addresses"
    yield table(["", "", "answers under"], sorted(addresses()))
    yield "`x` is any digit: all minor versions are alike. Unknown fields are ignored."
    yield "## What is asked"
    for title, model in MODELS.items():
        yield f"**{title}**"
        yield table(["field", "", "", ""], fields_of(model))
    yield "## What is taken"
    yield table(["", "film", "picture and reference"], limits())
    yield LIMITS_OFF
    yield "## Failures of a request"
    yield 'The body is `{"status": HTTP, "error": "a sentence", "error_code": "a code"}`.'
    yield table(["HTTP", "`error_code`", "when"], request_failures())
    yield NEVER_OF_REQUESTS
    yield "## Failures of a task"
    yield "Told with HTTP 200 as `data.error`, with a sentence in `data.error_message`."
    yield table(["`data.error`", "when", "our own codes"], task_failures())
    yield "Never told:"
    yield table(["", ""], [(code(each), why) for each, why in sorted(NEVER.items())])
    yield "## Links, ids and webhooks"
    yield table(["", ""], PROMISES)
    yield CHOICES


LIMITS_OFF = """With `LENDFACE_YOUCAM_LIMITS=false` the server's own limits count instead,
`dst_duration` may be as long as they allow, and results keep the film's size and frame rate."""

PROMISES = [
    ("links to put and to get", f"{terms.LINK_S // 3600} h, absolute, no key; new with each poll"),
    (
        "`file_id`",
        "64 characters of standard base64, not safe in an address; for any number of tasks",
    ),
    ("`task_id`", "64 characters, safe in an address"),
    ("files, tasks, results", f"kept {Terms('').keep_ms // 86_400_000} days"),
    ("units", f"one for {SECONDS_PER_UNIT} s of film or one picture; charged once, on success"),
    (
        "rate",
        f"{Terms('').max_requests} requests in {terms.WINDOW_S} s, of a key and of an address",
    ),
    ("login", f"RSA of {KEY_BITS} bits, clock within {FRESH_MS // 60_000} min, good once"),
    ("token of a login", f"good for {terms.TOKEN_S // 3600} h, and as long as the key"),
    ("webhooks", f"Standard Webhooks v1; {MAX_ENDPOINTS} endpoints; told of success and error"),
    ("their body", '`{"created_at":S,"data":{"task_id":"...","task_status":"success"}}`'),
    ("their `webhook-id`", "`msg_TASK:S`, the same in every attempt"),
    (
        "their attempts",
        f"{len(TIMES_S)} in {TIMES_S[-1] / 3600:g} h; 2xx ends them, 410 the endpoint",
    ),
]


def addresses() -> Iterator[tuple[str, str, str]]:
    for route in [*routes.v1_0.routes, *routes.v1.routes, *routes.v2.routes, *legacy.router.routes]:
        assert isinstance(route, APIRoute)
        (method,) = route.methods
        path = PREFIX + route.path.replace("{minor}", "x")
        told = (route.endpoint.__doc__ or "").replace("``", "`")
        yield f"`{method} {path}`", told, code(envelope_of(path))


def envelope_of(path: str) -> str:
    """As the vendor's families have it."""
    if path.endswith("/task/delete"):
        return "nothing"
    if path.endswith("/client/credit"):
        return "results"
    return "result" if "/v1." in path or path.endswith("feature-cost") else "data"


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    kinds: Mapping[str, Any] = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        needed = "required" if field.default is PydanticUndefined else ""
        yield code(name), kinds[name]["type"], needed, MEANINGS[name]


def limits() -> Iterator[tuple[str, str, str]]:
    video, image = VIDEO_LIMITS, IMAGE_LIMITS
    yield "size of the file", f"{bytes_of(video.max_bytes)}", f"{bytes_of(image.max_bytes)}"
    yield "length", f"{terms.MAX_SECONDS} s", ""
    yield "frames a second", f"{terms.MAX_FPS}", ""
    yield "longer side", f"{video.max_long_side} px", f"{image.max_long_side} px"
    yield "containers", code(*video.containers or ()), code(*image.containers or ())
    yield "picture", code(*video.video_codecs or ()), ""
    yield "sound", code(*video.audio_codecs or ()), ""
    yield "people", "one", "one in a reference, any number in a picture"
    longest = f"{terms.OUTPUT_LONG_SIDE} px, {terms.MAX_FPS} frames a second, {terms.MAX_SECONDS} s"
    yield "result, at most", longest, "the picture's own size"


def bytes_of(count: int | None) -> str:
    return f"{(count or 0) // MIB} MiB"


def request_failures() -> list[tuple[int, str, str]]:
    told = {words.code: words.status for words in WORDS_BY_ERROR.values()}
    told |= {name: status for name, (status, _) in OF_ROUTES.items()}
    return [(status, code(name), when_of(name)) for name, status in in_order(told)]


def in_order(told: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(told.items(), key=lambda each: (each[1], each[0]))


def when_of(name: str) -> str:
    where = OF_ROUTES[name][1] if name in OF_ROUTES else ""
    return f"{WHEN[name]} ({where})" if where else WHEN[name]


def task_failures() -> list[tuple[str, str, str]]:
    kinds_by_code: dict[str, list[str]] = {}
    for kind, codes in CODES_BY_KIND.items():
        for vendors in dict.fromkeys(codes):
            kinds_by_code.setdefault(vendors, []).append(kind)
    return [
        (code(vendors), "; ".join(messages_of(vendors, kinds)), ours_of(kinds))
        for vendors, kinds in sorted(kinds_by_code.items())
    ]


def messages_of(vendors: str, kinds: list[str]) -> Iterator[str]:
    """The sentences that go with a code."""
    for kind in kinds:
        of_film, of_picture = (vendors == each for each in CODES_BY_KIND[kind])
        file = "a file" if of_film and of_picture else "a picture" if of_picture else "the film"
        yield MESSAGE_BY_KIND[kind].format(file=file, parameter="face_mapping or dst_duration")


def ours_of(kinds: list[str]) -> str:
    ours = code(*sorted(ours for ours, kind in KIND_BY_CODE.items() if kind in kinds))
    is_rest = "units" in kinds
    return f"{ours} and every code that is not in this table" if is_rest else ours


def check() -> None:
    """What the page says of codes is all there is."""
    told = {words.code for words in WORDS_BY_ERROR.values()} | set(OF_ROUTES)
    assert told == set(WHEN)
    sent = {vendors for codes in CODES_BY_KIND.values() for vendors in codes}
    assert sent | set(NEVER) == VENDORS_CODES
    assert not sent & set(NEVER)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
