"""One tree of errors. Each has a stable ``code`` that is the same on CLI, Python and HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class LendfaceError(Exception):
    """Every error we raise on purpose; ``code`` is stable and its sentence is safe to show.

    Options are named as the command line has them (``--start``); who tells a sentence to somebody
    else says it in their words (``facades.words``).
    """

    code = "internal"
    may_pass = False  # whether the same may go well a little later, with nothing changed
    field: str | None = None  # what the caller calls that which it is about, where that is known

    def __str__(self) -> str:
        sentence = super().__str__()
        return f"{self.field}: {sentence}" if self.field else sentence


@contextmanager
def about(field: str) -> Iterator[None]:
    """Errors within are about this field or file of the caller's; the innermost name counts."""
    try:
        yield
    except LendfaceError as error:
        error.field = error.field or field or None
        raise


# What was asked


class BadOptionError(LendfaceError):
    """An option has a value that cannot be used; the sentence names the option and the way out."""

    code = "bad_option"


class DemoPeopleMissingError(BadOptionError):
    """The synthetic people of the demo are not installed."""

    code = "demo_people_missing"

    def __init__(self) -> None:
        super().__init__(
            "the demo needs its synthetic people: pip install 'lendface[demo]'; "
            "or give --source and --target"
        )


class BadMeasurementsError(BadOptionError):
    """A file of measurements, or a list of pairs to measure, cannot be used."""

    code = "bad_measurements"


class BadCredentialsError(BadOptionError):
    """The certificate or the key that results are to be signed with cannot be used."""

    code = "bad_credentials"


class CancelledError(LendfaceError):
    """The caller asked to stop; nothing was written."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("cancelled; nothing was written")


# The files that were given


class MediaError(LendfaceError):
    """A file cannot be used as it is."""

    code = "bad_media"


class FileMissingError(MediaError):
    code = "file_missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: there is no such file")
        self.name = name


class EmptyFileError(MediaError):
    code = "empty_file"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is empty (0 bytes); copy or download it again")
        self.name = name


class UnreadableMediaError(MediaError):
    """The bundled FFmpeg does not know the format, or nothing in it decodes."""

    code = "unreadable_media"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} cannot be read ({reason}); "
            "re-export a video as MP4, MOV, MKV or WebM, a picture as JPEG, PNG, WebP, HEIC or AVIF"
        )
        self.name, self.reason = name, reason


class UnknownCodecError(MediaError):
    code = "unknown_codec"

    def __init__(self, name: str, codec: str) -> None:
        super().__init__(f"{name}: no decoder for codec {codec}; convert it to H.264 first")
        self.name, self.codec = name, codec


class NoVideoError(MediaError):
    """The file has no picture, for example sound only."""

    code = "no_video"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no video stream; give a video or an image as target")
        self.name = name


# Limits on the files that are given


class MediaLimitError(MediaError):
    """More than this server takes. ``limit`` and ``measured`` are in the unit of the sentence."""

    code = "media_limit"

    def __init__(self, sentence: str, limit: float, measured: float) -> None:
        super().__init__(sentence)
        self.limit, self.measured = limit, measured


class MediaTooLargeError(MediaLimitError):
    code = "media_too_large"

    def __init__(self, name: str, limit: int, measured: int) -> None:
        super().__init__(
            f"{name} has {measured} bytes, more than the {limit} that are taken; "
            "compress or shorten it",
            limit,
            measured,
        )


class MediaTooLongError(MediaLimitError):
    code = "media_too_long"

    def __init__(self, name: str, limit_s: float, measured_s: float) -> None:
        super().__init__(
            f"{name} lasts {measured_s:.1f} s, longer than the {limit_s:g} s that are taken; "
            "cut it into shorter files",
            limit_s,
            measured_s,
        )


class MediaTooManyFramesError(MediaLimitError):
    code = "media_too_many_frames"

    def __init__(self, name: str, limit: int, measured: int) -> None:
        super().__init__(
            f"{name} has {measured} frames or more; at most {limit} are taken; "
            "cut it into shorter files",
            limit,
            measured,
        )


class MediaTooManyPixelsError(MediaLimitError):
    """``limit`` and ``measured`` are pixels of a picture, or of its longer side."""

    code = "media_too_many_pixels"

    def __init__(self, name: str, size_wh: tuple[int, int], limit: int, of_a_side: bool) -> None:
        width, height = size_wh
        what = "px on the longer side" if of_a_side else "px in all"
        super().__init__(
            f"{name} is {width}x{height}; at most {limit} {what} are taken; make it smaller",
            limit,
            max(size_wh) if of_a_side else width * height,
        )
        self.size_wh = size_wh


class MediaFrameRateError(MediaLimitError):
    code = "media_frame_rate"

    def __init__(self, name: str, limit: float, measured: float) -> None:
        super().__init__(
            f"{name} has {measured:.6g} frames a second, more than the {limit:g} that are taken; "
            "convert it to a lower frame rate",
            limit,
            measured,
        )


class MediaTooMuchWorkError(MediaLimitError):
    """More pixels in all frames together than are worked on; ``limit`` and ``measured`` are
    gigapixels. A film of few bytes can be a day's work."""

    code = "media_too_much_work"

    def __init__(self, name: str, limit: float, frames: int, size_wh: tuple[int, int]) -> None:
        measured = frames * size_wh[0] * size_wh[1] / 1e9
        super().__init__(
            f"{name} needs {frames} frames of {size_wh[0]}x{size_wh[1]} decoded, {measured:.1f} "
            f"gigapixels in all; at most {limit:g} are taken; make it smaller or shorter",
            limit,
            measured,
        )
        self.frames, self.size_wh = frames, size_wh


class MediaTooManyStreamsError(MediaLimitError):
    code = "media_too_many_streams"

    def __init__(self, name: str, limit: int, measured: int) -> None:
        super().__init__(
            f"{name} holds {measured} streams or more; at most {limit} are taken; "
            "keep only picture and sound",
            limit,
            measured,
        )


class MediaWrongKindError(MediaError):
    """An image where a video is needed, or the other way round."""

    code = "media_wrong_kind"

    def __init__(self, name: str, kind: str, wanted: str) -> None:
        super().__init__(f"{name} is {kind}; give {wanted}")
        self.name, self.kind, self.wanted = name, kind, wanted


class MediaBadContainerError(MediaError):
    code = "media_bad_container"

    def __init__(self, name: str, container: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"{name} is a file of format {container}, which is not taken; "
            f"convert it to {', '.join(allowed)}"
        )
        self.name, self.container, self.allowed = name, container, allowed


class MediaBadCodecError(MediaError):
    code = "media_bad_codec"

    def __init__(
        self, name: str, codec: str, allowed: tuple[str, ...], what: str = "picture"
    ) -> None:
        super().__init__(
            f"the {what} of {name} is {codec}, which is not taken; convert it to "
            f"{', '.join(allowed)}"
        )
        self.name, self.codec, self.allowed = name, codec, allowed


# What is kept between the steps of a job


class ScanFileError(LendfaceError):
    """A kept scan is not whole, or not one of ours; nothing of it was used."""

    code = "bad_scan_file"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the kept scan cannot be used ({reason}); scan the target again")
        self.reason = reason


class TargetChangedError(MediaError):
    """The target's frames are not those that were scanned."""

    code = "target_changed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not give the frames that were scanned; scan it again")
        self.name = name


# What is written


class OutputError(LendfaceError):
    """The result cannot be written where or how it was asked for."""

    code = "bad_output"


class RenderProcessError(OutputError):
    """One of several processes that rendered a film side by side ended before its work."""

    code = "render_process_ended"

    def __init__(self, status: int) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        super().__init__(
            f"a process that rendered a part {how}, perhaps for want of memory; "
            "try again with fewer workers"
        )
        self.status = status


class OutputFolderMissingError(OutputError):
    code = "output_folder_missing"

    def __init__(self, folder: str) -> None:
        super().__init__(f"the folder {folder} does not exist; create it or choose another output")
        self.folder = folder


class OutputExistsError(OutputError):
    code = "output_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} exists already; choose another name or say --force")
        self.name = name


class OutputFormatError(OutputError):
    code = "bad_output_format"


class DiskFullError(OutputError):
    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("the disk is full; nothing was written. Free some space and run it again")


class EncoderError(OutputError):
    """The asked encoder is not there or refuses the picture."""

    code = "encoder_failed"


class SigningError(OutputError):
    """The result could not be signed, and none is given out unsigned."""

    code = "signing_failed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} could not be signed, so it was not kept; is the certificate valid?"
        )
        self.name = name


# Faces


class FaceError(LendfaceError):
    """The faces in the pictures do not allow what was asked."""

    code = "bad_face"


class NoSourceFaceError(FaceError):
    code = "no_face_in_source"

    def __init__(self, name: str) -> None:
        super().__init__(f"no face in {name}; use a sharp portrait, seen from the front")
        self.name = name


class SeveralSourceFacesError(FaceError):
    code = "several_faces_in_source"

    def __init__(self, name: str, count: int) -> None:
        super().__init__(
            f"{count} faces in {name}; say which one with --source-face 1..{count}, "
            "counted from left to right"
        )
        self.name, self.count = name, count


class NoSuchSourceFaceError(FaceError):
    code = "no_such_source_face"

    def __init__(self, name: str, number: int, count: int) -> None:
        faces = "one face" if count == 1 else f"{count} faces"
        super().__init__(
            f"{name} shows {faces}, so there is no face {number}; "
            f"--source-face is {'1' if count == 1 else f'1..{count}'}, counted from left to right"
        )
        self.name, self.number, self.count = name, number, count


class SourcePeopleDifferError(FaceError):
    code = "different_people_in_source"

    def __init__(self, name: str, first: str) -> None:
        super().__init__(
            f"{name} does not show the person of {first}; all photos of one source "
            "must show the same person"
        )
        self.name, self.first = name, first


class NoTargetFaceError(FaceError):
    code = "no_face_in_target"

    def __init__(self, name: str) -> None:
        super().__init__(f"no usable face in {name}; nothing was swapped and nothing written")
        self.name = name


class NoSuchPersonError(FaceError):
    """A reference photo or a track number matches nobody of the cast."""

    code = "no_such_person"


class SeveralPeopleError(FaceError):
    """One person was promised and several are clearly seen."""

    code = "several_people"

    def __init__(self, count: int, name: str = "the target") -> None:
        super().__init__(f"{count} people are clearly seen in {name}; it must show one")
        self.count = count


# What is not done here, whoever asks


class RefusedError(LendfaceError):
    """A rule of the operator forbids it.

    The sentence tells a client no more than that, until ``say`` was called with another one.
    ``source`` (from 1) or ``person`` (a number of the cast) is whose face it is about, if known.
    """

    code = "refused"
    source: int | None = None
    person: int | None = None

    def say(self, sentence: str) -> None:
        """From now on it is told so."""
        self.args = (sentence,)


class ContentRefusedError(RefusedError):
    """The content gate said no. What it saw, and where, is for the operator's log only."""

    code = "content_refused"

    def __init__(
        self,
        rule: str,
        time_s: float | None = None,
        scores: tuple[float, ...] = (),
        face: int | None = None,
    ) -> None:
        super().__init__("these files are refused: their content is not allowed here")
        self.rule, self.time_s, self.scores, self.face = rule, time_s, scores, face
        if rule == "minor_target":
            self.person = face
        elif time_s is None:
            self.source = face


class MinorRefusedError(ContentRefusedError):
    """Somebody looks too young. The client is told the same as of any other content."""


class ConsentError(RefusedError):
    """Nobody has said that these faces may be used."""

    code = "consent"


class AttestationMissingError(ConsentError):
    code = "attestation_missing"

    def __init__(self) -> None:
        super().__init__(
            "it was not yet stated that the people shown have consented; the owner of the key does "
            "so once, with: lendface consent attest"
        )


class ConsentMissingError(ConsentError):
    code = "consent_missing"

    def __init__(self, source: int | None = None, person: int | None = None) -> None:
        super().__init__(
            "a face here has no consent on record that is valid and may be used with this key"
        )
        self.source, self.person = source, person


class ConsentWithdrawnError(ConsentError):
    code = "consent_withdrawn"

    def __init__(self) -> None:
        super().__init__("a consent that this rests on has been withdrawn or has expired")


class ProtectedFaceError(RefusedError):
    """Somebody is on the list of protected faces."""

    code = "protected_face"

    def __init__(self, entry_id: str, source: int | None = None, person: int | None = None) -> None:
        super().__init__("a person in these files is protected: this face may not be swapped here")
        self.entry_id, self.source, self.person = entry_id, source, person


# Models and runtimes


class ModelError(LendfaceError):
    code = "model"


class ModelMissingError(ModelError):
    code = "model_missing"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"the file of model {model_id} is missing; install lendface again")
        self.model_id = model_id


class ModelCorruptError(ModelError):
    code = "model_corrupt"

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"the file of model {model_id} is not the one in the catalog (its hash differs); "
            "install lendface again"
        )
        self.model_id = model_id


class ModelNotAllowedError(ModelError):
    """The operator's licence policy forbids it."""

    code = "model_not_allowed"

    def __init__(self, model_id: str, licence: str, policy: str) -> None:
        super().__init__(
            f"the model {model_id} ({licence}) may not be used where LENDFACE_POLICY is {policy}"
        )
        self.model_id, self.licence, self.policy = model_id, licence, policy


class ProviderUnavailableError(ModelError):
    """An inference provider was asked for and did not load; we never fall back silently."""

    code = "provider_unavailable"

    def __init__(self, provider: str, available: tuple[str, ...]) -> None:
        super().__init__(
            f"the provider {provider} did not load; this machine offers {', '.join(available)}"
        )
        self.provider, self.available = provider, available


# The service


class ServiceError(LendfaceError):
    """The server, its storage or its database."""

    code = "service"


class DatabaseError(ServiceError):
    code = "database_unavailable"
    may_pass = True

    def __init__(self) -> None:
        super().__init__("the database does not answer; try again in a moment")


class ProtectedListError(ServiceError):
    """The list of protected faces cannot be read; until it can, nothing is swapped."""

    code = "bad_protected_list"

    def __init__(self) -> None:
        super().__init__("the list of protected faces cannot be read, so nothing was swapped")


class NotFoundError(ServiceError):
    """There is no such thing, or it belongs to somebody else; which of the two is not told."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no such {what}")
        self.what = what


class UploadMissingError(ServiceError):
    """The id is known but its bytes never came."""

    code = "upload_missing"

    def __init__(self) -> None:
        super().__init__("the file was never uploaded; send it to its upload link first")


class IdempotencyMismatchError(ServiceError):
    code = "idempotency_mismatch"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request; take a new one")


class ServerBusyError(ServiceError):
    code = "server_busy"

    def __init__(self) -> None:
        super().__init__("too many jobs are waiting; try again later")


class TooManyAtOnceError(ServerBusyError):
    """As much as this server, or this client's share of it, has room for is under way."""

    code = "too_many_at_once"
    may_pass = True

    def __init__(self, what: str = "requests of this kind") -> None:
        ServiceError.__init__(
            self, f"too many {what} are under way at once; try again when some have ended"
        )


class UploadLostError(ServiceError):
    """The file of an upload was there and is not any more, or is not what it was."""

    code = "upload_lost"

    def __init__(self) -> None:
        super().__init__(
            "a file that was sent is not in the storage as it came; send it again, and then the job"
        )


class WrongMoveError(ServiceError):
    """A job is not in a state that allows what was asked."""

    code = "wrong_state"

    def __init__(self, what: str, state: str) -> None:
        super().__init__(f"{what} is not possible: the job is {state}")
        self.state = state


class ExecutorTakenError(ServiceError):
    code = "executor_taken"

    def __init__(self, executor: str) -> None:
        super().__init__(
            f"a worker named {executor} is already running; give this one another name "
            "with --executor"
        )


class TaskKilledWorkerError(ServiceError):
    """A part of the job ended its worker again and again."""

    code = "worker_died"

    def __init__(self, stage: str, attempts: int) -> None:
        super().__init__(
            f"the job was stopped: its {stage} ended the worker {attempts} times; "
            "the file may be damaged or too large for this server"
        )


class JobTimeoutError(ServiceError):
    code = "job_timeout"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the job took longer than {limit_s:.0f} s and was stopped")


class InternalError(ServiceError):
    """Something we did not expect; the log of the server says what."""

    code = "internal"

    def __init__(self) -> None:
        super().__init__("something went wrong on the server; the job can be retried")


# What is fetched and posted


class FetchError(LendfaceError):
    """A URL cannot be fetched or posted to.

    Sentences name the host as it was given: never an address it led to, nor where it redirected.
    """

    code = "url_failed"


class InvalidUrlError(FetchError):
    code = "url_invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the URL cannot be used: {reason}")
        self.reason = reason


class UrlNotAllowedError(FetchError):
    """It leads to a place that only this server could reach, or could lead to one."""

    code = "url_not_allowed"

    def __init__(self, host: str, reason: str = "it has no public address") -> None:
        super().__init__(
            f"{host} may not be reached from here: {reason}; use a public address, or have the "
            "operator of this server allow it"
        )
        self.host, self.reason = host, reason


class UrlUnreachableError(FetchError):
    code = "url_unreachable"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} cannot be reached: {reason}; check the URL")
        self.host, self.reason = host, reason


class UrlTimeoutError(FetchError):
    code = "url_timeout"

    def __init__(self, host: str, what: str = "took too long; try again") -> None:
        super().__init__(f"{host} {what}, or upload the file instead")
        self.host = host


class UrlTooSlowError(UrlTimeoutError):
    """What it sends comes more slowly than anybody is waited for."""

    code = "url_too_slow"

    def __init__(self, host: str, min_bytes_per_s: float) -> None:
        pace = f"{min_bytes_per_s / 1000:g} kB a second"
        super().__init__(host, f"sends less than {pace}; give an address that is faster")
        self.min_bytes_per_s = min_bytes_per_s


class UrlIncompleteError(FetchError):
    """The connection ended before the declared end of the body."""

    code = "url_incomplete"

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} broke off before the whole file had come; try again")
        self.host = host


class UrlTooLargeError(FetchError):
    code = "url_too_large"

    def __init__(self, where: str, max_bytes: int) -> None:
        super().__init__(f"{where}: the file is larger than the limit of {max_bytes} bytes")
        self.where, self.max_bytes = where, max_bytes


class UrlTypeError(FetchError):
    code = "url_bad_type"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} {reason}")
        self.host, self.reason = host, reason


class UrlStatusError(FetchError):
    code = "url_bad_status"

    def __init__(self, host: str, status: int) -> None:
        super().__init__(f"{host} answered with HTTP status {status} and not with the file")
        self.host, self.status = host, status


# Clients, keys and units


class DatabaseTooNewError(ServiceError):
    code = "database_too_new"

    def __init__(self) -> None:
        super().__init__("the database was made by a newer lendface; install that version")


class SealBrokenError(ServiceError):
    """A sealed value was changed, or sealed with another secret or for another purpose."""

    code = "seal_broken"

    def __init__(self) -> None:
        super().__init__(
            "a stored secret cannot be opened; the server's secret is not the one it was sealed "
            "with: give that one, or give it as an older one"
        )


class KeyRefusedError(ServiceError):
    """A key opens nothing; its kinds say why."""

    code = "key_refused"


class KeyUnknownError(KeyRefusedError):
    code = "key_unknown"

    def __init__(self) -> None:
        super().__init__("this key is not known here; check that it is whole")


class WrongClientIdError(KeyUnknownError):
    """The key is good, and another client's than was said."""

    def __init__(self) -> None:
        KeyRefusedError.__init__(
            self, "this is not the client id of that key; it was shown beside the key"
        )


class KeyRevokedError(KeyRefusedError):
    code = "key_revoked"

    def __init__(self) -> None:
        super().__init__("this key was revoked; ask the operator of this server for a new one")


class ClientRevokedError(KeyRevokedError):
    """Not only this key but its client was revoked; most APIs tell no difference."""


class KeyExpiredError(KeyRefusedError):
    code = "key_expired"

    def __init__(self) -> None:
        super().__init__("this key was replaced by a newer one and has expired; use the newer one")


class ScopeMissingError(ServiceError):
    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"this key may not do that; it needs the scope {scope}")
        self.scope = scope


class QuotaExceededError(ServiceError):
    code = "quota_exceeded"

    def __init__(self, needed: int, left: int) -> None:
        super().__init__(
            f"this needs {needed} units and {left} are left; wait for running jobs that may give "
            "theirs back, or ask the operator of this server for more"
        )
        self.needed, self.left = needed, left


class RateLimitedError(ServiceError):
    code = "rate_limited"
    may_pass = True

    def __init__(self, limit: int, window_s: float, retry_after_s: float) -> None:
        super().__init__(
            f"more than {limit} requests in {window_s:g} s; try again in {retry_after_s:.3g} s"
        )
        self.limit, self.window_s, self.retry_after_s = limit, window_s, retry_after_s


class TooManyStreamsError(RateLimitedError):
    """A client watches as many jobs at a time as one process lets it."""

    code = "too_many_streams"

    def __init__(self, most: int) -> None:
        Exception.__init__(
            self,
            f"{most} streams of events are open already; close some, or ask for the jobs instead",
        )
        self.limit, self.window_s, self.retry_after_s = most, 0.0, 5.0


# What is wrong with an HTTP request


class RequestError(ServiceError):
    """A request that cannot be used as it came; the sentence says where."""

    code = "bad_request"


class TooManyFacesError(RequestError):
    code = "too_many_faces"

    def __init__(self, limit: int, count: int) -> None:
        super().__init__(f"{count} faces are to be swapped at once; give at most {limit}")
        self.limit, self.count = limit, count


class NotOfferedError(RequestError):
    """A vendor has it and we do not."""

    code = "not_offered"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not offered by this server")


class KeyMissingError(KeyRefusedError):
    code = "key_missing"

    def __init__(self) -> None:
        super().__init__("give your key with the request: Authorization: Bearer KEY")


class NoSuchRouteError(NotFoundError):
    def __init__(self) -> None:
        super().__init__("address; see the API's documentation")


class WrongMethodError(ServiceError):
    code = "method_not_allowed"

    def __init__(self, method: str) -> None:
        super().__init__(f"{method} is not possible here; the header Allow says what is")


class BodyTooLargeError(ServiceError):
    code = "body_too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"the body of this request may have {max_bytes} bytes; give files by a link"
        )
        self.max_bytes = max_bytes


class BodyTooSlowError(ServiceError):
    code = "body_too_slow"

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"too little of the body came within {limit_s:g} s; send the request again"
        )
        self.limit_s = limit_s


class WrongUploadError(ServiceError):
    """What is sent is not the file that was declared."""

    code = "upload_mismatch"


class UploadDoneError(ServiceError):
    """Other bytes for a file that is here; jobs may be made of it already."""

    code = "upload_done"

    def __init__(self) -> None:
        super().__init__("another file was sent to this link before; ask for a new upload")


class NothingToSendError(WrongMoveError):
    """A link was asked for, to a file that does not wait to be sent."""

    def __init__(self, state: str) -> None:
        ServiceError.__init__(self, f"the file is {state}; there is nothing to send")
        self.state = state


class ResultNotReadyError(ServiceError):
    code = "result_not_ready"

    def __init__(self, state: str) -> None:
        super().__init__(f"there is no result: the job is {state}")
        self.state = state


class ResultGoneError(ServiceError):
    code = "result_gone"

    def __init__(self) -> None:
        super().__init__("the result was deleted when its time was over; submit the job again")


class ResultDamagedError(ServiceError):
    """What lies in the storage is not what was made, or nothing does before its time is over."""

    code = "result_damaged"

    def __init__(self) -> None:
        super().__init__(
            "what was made is not whole in the storage any more, and is not handed out; submit the "
            "job again"
        )


class StillRunningError(ServiceError):
    """Somebody waits for a quick job, and it has not ended."""

    code = "still_running"
    may_pass = True

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"it was not done within {limit_s:g} s; try again later")
        self.limit_s = limit_s


class JobDeletedError(ServiceError):
    code = "job_deleted"

    def __init__(self) -> None:
        super().__init__("the job of this Idempotency-Key was deleted; take a new key")


class TooManyEndpointsError(ServiceError):
    code = "too_many_endpoints"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} webhook endpoints already; delete one first")
        self.limit = limit


# Blobs: files the server keeps


class StorageError(ServiceError):
    """The blob store, or a worker's own temporary files."""

    code = "storage"


class StorageUnavailableError(StorageError):
    """The bucket does not answer or refuses us, or the folder cannot be read or written."""

    code = "storage_unavailable"
    may_pass = True

    def __init__(self) -> None:
        super().__init__("the file storage does not answer; try again in a moment")


class ScratchFullError(StorageError):
    code = "scratch_full"

    def __init__(self, needed: int, max_bytes: int) -> None:
        super().__init__(
            f"a worker needs {needed} bytes for temporary files and may have {max_bytes} in all; "
            "give it more scratch space"
        )
        self.needed, self.max_bytes = needed, max_bytes


class BlobKeyError(StorageError):
    code = "bad_blob_key"

    def __init__(self) -> None:
        super().__init__("the name of a stored file is not of the form a-z, 0-9 . _ - and /")


class BlobMissingError(NotFoundError):
    code = "blob_missing"

    def __init__(self) -> None:
        super().__init__("file; it was never sent or is deleted")


class BlobChangedError(BlobMissingError):
    """What lies there is not what was kept there."""

    code = "blob_changed"

    def __init__(self) -> None:
        NotFoundError.__init__(self, "file; what is stored in its place is not what was kept")


class BlobTooLargeError(StorageError):
    code = "blob_too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the file is too large: at most {max_bytes} bytes; send a smaller one")
        self.max_bytes = max_bytes


class UploadOffsetError(StorageError):
    """A part of an upload does not begin where the last one ended."""

    code = "upload_offset"

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset} bytes of this file are here; continue from there")
        self.offset = offset


class UploadBusyError(StorageError):
    code = "upload_busy"
    may_pass = True

    def __init__(self) -> None:
        super().__init__("another request is sending this file; wait until it has ended")


class RangeNotSatisfiableError(StorageError):
    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"the range lies outside of the file, which has {size} bytes")
        self.size = size


class LinkRefusedError(StorageError):
    """A signed link does not allow what was asked of it."""

    code = "link_refused"


class SignatureInvalidError(LinkRefusedError):
    code = "signature_invalid"

    def __init__(self) -> None:
        super().__init__(
            "this link does not allow this request; send the method, headers and length it was "
            "made for"
        )


class SignatureExpiredError(LinkRefusedError):
    code = "signature_expired"

    def __init__(self) -> None:
        super().__init__("this link has expired; ask for a new one")


class LinkRevokedError(LinkRefusedError):
    """The client was revoked whose file the link leads to."""

    code = "link_revoked"

    def __init__(self) -> None:
        super().__init__(
            "this link was taken back with its client's keys; ask the operator of this server"
        )


# Logins, and the tokens they give


class LoginRefusedError(KeyRefusedError):
    code = "login_refused"

    def __init__(self) -> None:
        super().__init__(
            "the login is refused: the client id, its RSA secret or the time is not right, or the "
            "client has no valid key"
        )


class AccessTokenError(KeyRefusedError):
    code = "access_token_refused"

    def __init__(self) -> None:
        super().__init__("the access token is wrong or has expired; log in again")


# What a program that uses a server meets


class ApiError(LendfaceError):
    """The server's answer to a request that it did not do; ``code`` is the server's."""

    def __init__(
        self, status: int, code: str, detail: str, request_id: str, retry_after_s: float | None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.request_id = status, code, request_id
        self.retry_after_s = retry_after_s


class ServerUnreachableError(LendfaceError):
    code = "server_unreachable"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} cannot be reached: {reason}; is the server running there?")
        self.host, self.reason = host, reason


class JobEndedError(LendfaceError):
    """A job that was waited for failed or was cancelled; ``code`` is the job's."""

    def __init__(self, job_id: str, state: str, code: str, message: str) -> None:
        super().__init__(f"job {job_id} {state}: {message}" if message else f"job {job_id} {state}")
        self.job_id, self.state, self.code = job_id, state, code


class WaitTimeoutError(LendfaceError):
    code = "wait_timeout"

    def __init__(self, job_id: str, timeout_s: float) -> None:
        super().__init__(f"job {job_id} has not ended within {timeout_s:g} s; it goes on")
        self.job_id, self.timeout_s = job_id, timeout_s


class DownloadDamagedError(LendfaceError):
    code = "download_damaged"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} did not arrive whole; download it again")
        self.name = name
