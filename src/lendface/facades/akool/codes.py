"""Akool's codes, and which of our errors is told by which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ... import errors as e

SUCCESS = 1000
SWAP_FAILED, SERVER_ERROR = 1016, 2001

# All that the vendor's pages name for face swaps and what belongs to them.
MEANINGS: Mapping[int, str] = {
    1000: "success",
    1003: "a parameter is wrong or missing",
    1004: "verification is required",
    1005: "too many requests",
    1006: "the quota is used up",
    1007: "more than 8 faces",
    1008: "the content is missing",
    1009: "no permission",
    1010: "it cannot be operated on",
    1011: "it was operated on already",
    1014: "the resource is missing",
    1015: "error of video processing",
    1016: "error of face swapping",
    1101: "the credential is wrong or has expired",
    1102: "there is no credential",
    1103: "unpaid",
    1104: "credits are insufficient",
    1105: "error of avatar processing",
    1108: "error of image processing",
    1109: "the account does not exist",
    1110: "error of audio processing",
    1112: "error of voice processing",
    1200: "the account is banned",
    1204: "the video is too long",
    1205: "the video cannot be created",
    1207: "the video is too large",
    1208: "the video cannot be parsed",
    1209: "the codec is not supported",
    1210: "the frame rate is too high",
    1213: "a subscription is needed",
    1221: "a subscription is needed",
    1222: "it exists already",
    2001: "error of the server",
}

# The nearest of an error's classes counts.
CODE_BY_ERROR: Mapping[type[e.LendfaceError], int] = {
    e.LendfaceError: SERVER_ERROR,
    e.BadOptionError: 1003,
    e.RequestError: 1003,
    e.WrongMethodError: 1003,
    e.BodyTooLargeError: 1003,
    e.BodyTooSlowError: 1003,
    e.NotOfferedError: 1003,
    e.TooManyFacesError: 1007,
    e.NotFoundError: 1014,
    e.ResultNotReadyError: 1014,
    e.ResultGoneError: 1014,
    e.ResultDamagedError: 1014,
    e.UploadMissingError: 1008,
    e.UploadLostError: 1008,
    e.WrongMoveError: 1010,
    # Who asks
    e.KeyMissingError: 1102,
    e.KeyRefusedError: 1101,
    e.ClientRevokedError: 1200,
    e.ScopeMissingError: 1009,
    e.QuotaExceededError: 1006,
    e.RateLimitedError: 1005,
    e.LinkRefusedError: 1009,
    e.ServerBusyError: 1005,
    # What was given
    e.FetchError: 1003,
    e.UrlTooLargeError: 1207,
    e.MediaError: 1208,
    e.MediaWrongKindError: 1003,
    e.MediaLimitError: 1207,
    e.MediaTooLongError: 1204,
    e.MediaTooManyFramesError: 1204,
    e.MediaFrameRateError: 1210,
    e.MediaBadCodecError: 1209,
    e.UnknownCodecError: 1209,
    e.FaceError: SWAP_FAILED,
    # What is not done here
    e.RefusedError: 1009,
}


def code_of(error: e.LendfaceError) -> int:
    return _code_of_kind(type(error))


def code_of_failure(error_code: str | None) -> int:
    """Of a failed job, by our own code of what went wrong."""
    code = CODE_BY_FAILURE.get(error_code or "", SERVER_ERROR)
    return SWAP_FAILED if code == SERVER_ERROR else code


def codes_sent() -> set[int]:
    """All that this server can answer or tell."""
    return {SUCCESS, SWAP_FAILED, *CODE_BY_ERROR.values()}


def _code_of_kind(kind: type[e.LendfaceError]) -> int:
    return next(CODE_BY_ERROR[base] for base in kind.__mro__ if base in CODE_BY_ERROR)


def _kinds(kind: type[e.LendfaceError]) -> Iterator[type[e.LendfaceError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


# A kind comes before its narrower ones, which may share its code.
CODE_BY_FAILURE: Mapping[str, int] = {
    kind.code: _code_of_kind(kind) for kind in reversed(list(_kinds(e.LendfaceError)))
}
