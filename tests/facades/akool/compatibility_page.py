"""Writes docs/compatibility/akool.md from the code:
``PYTHONPATH=tests python tests/facades/akool/compatibility_page.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from facades.pages import code, table
from lendface.facades.akool import codes
from lendface.facades.akool.app import ROUTERS
from lendface.facades.akool.schemas import NOT_OFFERED, SUPPORTED, Asked
from lendface.facades.akool.translate import MAX_FACES, MAX_PRO_FACES
from lendface.net.schedule import TIMES_S
from lendface.service.prices import SECONDS_PER_UNIT

PAGE = Path(__file__).parents[3] / "docs" / "compatibility" / "akool.md"
BASE = "https://swap.example.org"

PYTHON = f'''import time

import requests

API = "{BASE}"  # was https://openapi.akool.com
HEADERS = {{"x-api-key": KEY}}


def face_in(url):
    """The face of a picture, or the first one of a video, as a reference to it."""
    body = {{"url": url, "return_face_url": True}}
    answer = requests.post(API + "/interface/detect-api/detect_faces", json=body, headers=HEADERS)
    frames = answer.json()["faces_obj"].values()
    found = next(frame for frame in frames if frame["landmarks"])
    return {{"path": found["face_urls"][0], "opts": found["crop_landmarks"][0]}}


body = {{
    "sourceImage": [face_in("https://media.example.org/me.jpg")],
    "targetImage": [face_in("https://media.example.org/clip.mp4")],
    "modifyVideo": "https://media.example.org/clip.mp4",
    "webhookUrl": "",
}}
submit = API + "/api/open/v3/faceswap/highquality/specifyvideo"
job = requests.post(submit, json=body, headers=HEADERS).json()["data"]

listed = API + "/api/open/v3/faceswap/result/listbyids"
status = 1
while status < 3:  # 1 queued, 2 processing, 3 success, 4 failed
    time.sleep(5)
    answer = requests.get(listed, params={{"_ids": job["_id"]}}, headers=HEADERS).json()
    status = answer["data"]["result"][0]["faceswap_status"]
print(job["url"] if status == 3 else answer["data"]["result"][0]["error_msg"])
'''
JAVASCRIPT = f'''const API = "{BASE}"; // was https://openapi.akool.com
const headers = {{ "x-api-key": KEY, "content-type": "application/json" }};
const post = async (path, body) =>
  (await fetch(API + path, {{ method: "POST", headers, body: JSON.stringify(body) }})).json();

const faceIn = async (url) => {{
  const body = {{ url, return_face_url: true }};
  const {{ faces_obj }} = await post("/interface/detect-api/detect_faces", body);
  const found = Object.values(faces_obj).find((frame) => frame.landmarks.length);
  return {{ path: found.face_urls[0], opts: found.crop_landmarks[0] }};
}};

const clip = "https://media.example.org/clip.mp4";
const {{ data: job }} = await post("/api/open/v3/faceswap/highquality/specifyvideo", {{
  sourceImage: [await faceIn("https://media.example.org/me.jpg")],
  targetImage: [await faceIn(clip)],
  modifyVideo: clip,
}});

let item = {{ faceswap_status: 1 }};
while (item.faceswap_status < 3) {{
  await new Promise((wake) => setTimeout(wake, 5000));
  const listed = `${{API}}/api/open/v3/faceswap/result/listbyids?_ids=${{job._id}}`;
  [item] = (await (await fetch(listed, {{ headers }})).json()).data.result;
}}
console.log(item.faceswap_status === 3 ? item.url : item.error_msg);
'''
CURL = f"""# was https://openapi.akool.com
curl {BASE}/api/open/v3/faceswap/highquality/specifyvideo \\
  -H "x-api-key: $KEY" -H "content-type: application/json" -d '{{
    "sourceImage": [{{"path": "https://media.example.org/me.jpg"}}],
    "targetImage": [{{"path": "https://media.example.org/them.jpg"}}],
    "modifyVideo": "https://media.example.org/clip.mp4"
  }}'
curl "{BASE}/api/open/v3/faceswap/result/listbyids?_ids=$ID" -H "x-api-key: $KEY"
"""
HEAD = f"""# Akool's clients

*This page is made from the code:
`PYTHONPATH=tests python tests/facades/akool/compatibility_page.py`.*

A client of Akool's face-swap API works with lendface when its base URL is this server's and its key
is one of this server's. Nothing else changes.

| Akool | lendface |
|---|---|
| `https://openapi.akool.com` | `{BASE}` |
| `https://sg3.akool.com/detect` | `{BASE}/detect` |
| API key, or client secret | the `key` that `lendface keys create` prints (32 characters) |
| client id | the `client_id` it prints (16 characters) |

`LENDFACE_PUBLIC_URL` must be the address that clients use, since links to results are absolute.
Media are fetched by the server: public addresses only, unless `LENDFACE_FETCH_ALLOW` names
others. Addresses of results and of faces that this server gave out need no fetching.

## Moving over

```bash
{CURL}```

```python
{PYTHON}```

```javascript
{JAVASCRIPT}```

**Pages in a browser** may call all of these addresses, and fetch results, from any origin: the key
comes in a header, there are no cookies, and a preflight (`OPTIONS`) needs no key. Errors carry the
CORS headers, too. `LENDFACE_CORS_VENDORS=false` closes that; `/detect` is closed where it needs no
key. A key in a page can be read by everybody who opens it: give such a key a small quota.

Receivers of webhooks keep their code: the client id gives the IV and is part of the signature,
the key is the secret. The key with which a job was submitted is the one it is told with; once that
has ended, the newest. Clients whose host cannot be changed need a name server that leads
`openapi.akool.com` and `sg3.akool.com` to this server, and a certificate they trust.
"""
WEBHOOKS = """## Webhooks

The vendor's envelope and encryption, told with `POST` and `application/json`:

| sent | | state |
|---|---|---|
| `signature` | SHA-1 over client id, timestamp, nonce and dataEncrypt | supported |
| `dataEncrypt` | AES-256-CBC with the key, in base64 | supported |
| `timestamp` | ms since 1970, a number | supported |
| `nonce` | four digits | supported |

| decrypted | | state |
|---|---|---|
| `_id` | the job | supported |
| `status` | 2 processing, 3 success, 4 failed | supported |
| `type` | `faceswap` | supported |
| `url` | the result where status is 3, else empty | supported |
| `deduction_credit` | credits charged, where status is 3 | added |
| `error_msg` | why, where status is 4 | added |
"""
CHOICES = f"""## Where the vendor's pages leave a choice

* **Status.** Business errors have HTTP 200 and a `code`; unknown addresses 404, wrong methods 405,
  too large bodies 413, failures of the server 500 and 503. Detection answers 400, 401, 429, 500.
* **Keys.** `Authorization` wins over `x-api-key` even when it is wrong; it may hold a token, or a
  key with or without `Bearer`. A token ends after a year, and with its key. `/detect` needs a key,
  unless `LENDFACE_AKOOL_DETECT_CLIENT` names the client on whose account it does not.
* **`opts`** are hints: what cannot be read is passed over. The fourth point may be a corner or the
  middle of the mouth; its place between the eyes tells which. Where there are several faces, every
  one must have them.
* **Whom a target picture shows** is found in the media by comparing faces. Where it is the media
  itself, `opts` say which face, in the first frame that has one at that place. One pair
  whose target nobody looks like changes whoever is seen most; several pairs then fail.
* **`url`** of V3 jobs is there from the start, and ends in `.mp4`, `.png` or `.jpg` as the result
  will; V4 jobs have it once they have succeeded, since what they are is not known before. Until
  then, and after seven days (`LENDFACE_KEEP_DAYS`), it is 404. It needs no key; HEAD, Range and
  CORS work.
* **Animations** (GIF, APNG, WebP) are videos: `modifyVideo` makes an MP4 of one, Plus a file of its
  own kind. HEIC and AVIF are read as pictures; what V3 makes of them is a JPEG.
* **Pro** changes one picture by up to {MAX_PRO_FACES} pairs; several pictures in one request are
  refused with 1003.
* **Plus** takes {MAX_FACES} mappings; `model_style: lossless` raises the quality of a video,
  `beautify` enhances faces.
* **`face_enhance`** is 0 or 1, which sharpens and cleans the face; `true`, `false`, `"1"`, `"0"`,
  `null` and `""` are taken as well. Anything else is 1003: levels of 0 to 100, which one of the
  vendor's own programs offers for videos, would all look alike here, and be told apart by nobody.
* **Errors** name the field as the vendor writes it: `sourceImage[0].path`, `webhookUrl`, `_ids`;
  so do failed jobs. A wrong `clientId` and a wrong `clientSecret` are told apart to whoever has one
  of them right.
* **No face** in a picture or a frame is no error of detection: its lists are empty.
* **`removed`** lists people of the frame before who are not in this one.
* **`/detect`** with `single_face` answers flat; `LENDFACE_AKOOL_NESTED_DETECT` makes it nested.
* **Refusals.** What the server's rules forbid has code 1009, in the answer or in the webhook of the
  failed job: content, protected faces, a face without consent on record, a key whose owner has not
  stated that they hold consent. Keys that `lendface keys create` makes have that statement. It is
  told whose face or which file it is, and by which rule unless `LENDFACE_TELL_REFUSALS=false`:
  never a score, a time code or who is on a list.
* **Marks.** Every result holds a signed manifest that says that AI replaced faces in it, and its
  metadata say so, too. `LENDFACE_LABEL=always` also writes it into the picture; no request asks for
  that here, and none leaves any of it out.
* **Deleting** stops jobs that run, which are told as failed; deleted ones are not listed any more.
* **Credits** are units: one for a picture and for {SECONDS_PER_UNIT} s of video. They are set aside
  when the media were looked at, and given back when a job fails. A job is refused with 1006 where
  none is left.
* **Webhooks** are told of status 2 (`LENDFACE_AKOOL_PROCESSING_WEBHOOKS`), 3 and 4, up to
  {len(TIMES_S)} times in {TIMES_S[-1] / 3600:g} hours until the receiver answers 200. A receiver \
that
  hangs is left alone [for a while](../fetching.md#webhooks). A start that
  was not taken is not told any more once the job has ended.

## What is better here

* Media, faces and keys stay on this server: nothing leaves it but what is fetched for a request and
  its webhooks.
* `opts` and `bbox` are honoured in V4, too, where the vendor's swap takes the dominant face; and
  several faces of one picture or video in one request, by V3, Pro and Plus alike.
* A charge comes with success only. A failed, cancelled or refused job costs nothing.
* A failed job says why, in every field where clients were seen to look.
* `url` is good for HEAD, Range and pages of any origin.

## Not offered

* Live face swap (`/api/open/v3/faceswap/live/...`): code 1003.
* Levels of `face_enhance` (it is 0 or 1) and other models.
* Addresses that no page of the vendor's ever had (`faceswap/video/add` and the like): 404.
"""


def render() -> str:
    return "\n".join(f"{part.strip()}\n" for part in parts())


def parts() -> Iterator[str]:
    yield HEAD
    yield "## Addresses"
    yield table(["", "", "state"], [address(route) for route in routes()])
    for route in routes():
        if state_of(route) == SUPPORTED:
            yield from operation(route)
    yield WEBHOOKS
    yield "## Codes"
    yield table(["code", "meaning", "state"], list(code_rows()))
    yield "The vendor's other codes belong to other products."
    yield CHOICES


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def name_of(route: APIRoute) -> str:
    return f"{min(route.methods)} {route.path}"


def address(route: APIRoute) -> tuple[str, str, str]:
    return code(name_of(route)), first_line(route), state_of(route)


def first_line(route: APIRoute) -> str:
    return (route.endpoint.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")


def state_of(route: APIRoute) -> str:
    return (route.openapi_extra or {}).get("x-support", SUPPORTED)


def operation(route: APIRoute) -> Iterator[str]:
    yield f"### {code(name_of(route))}"
    body = get_type_hints(route.endpoint).get("body")
    if body:
        asked = list(fields(body))
        yield table(["asked", "", "", "state"], asked)
    for parameter in route.dependant.query_params:
        told = parameter.field_info.description
        yield table(
            ["asked", "", "", "state"], [(code(parameter.alias), "needed", told, SUPPORTED)]
        )
    answered = [(name, remark) for name, _, remark, _ in fields(route.response_model)]
    yield table(["answered", ""], answered)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Name, whether it is needed, a remark and a state of each field, those of fields too."""
    for python_name, info in model.model_fields.items():
        name = prefix + (info.alias or python_name)
        extra: Any = info.json_schema_extra or {}
        is_needed = issubclass(model, Asked) and info.is_required()
        remark = info.description or description_of(info.annotation)
        yield code(name), "needed" if is_needed else "", remark, extra.get("support", SUPPORTED)
        if inner := model_in(info.annotation):
            is_list = "list" in str(info.annotation) or "dict" in str(info.annotation)
            yield from fields(inner, f"{name}{'[]' if is_list else ''}.")


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field is made of, however it is wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := model_in(each))), None)


def description_of(annotation: Any) -> str:
    """What an annotation within the annotation says of itself."""
    for each in get_args(annotation):
        if isinstance(each, FieldInfo) and each.description:
            return each.description
        if inner := description_of(each):
            return inner
    return ""


def code_rows() -> Iterator[tuple[object, str, str]]:
    sent = codes.codes_sent()
    for number, meaning in codes.MEANINGS.items():
        yield number, meaning, SUPPORTED if number in sent else NOT_OFFERED


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
