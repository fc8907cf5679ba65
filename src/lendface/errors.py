"""One tree of errors. Each has a stable ``code`` that is the same on CLI, Python and HTTP."""

from __future__ import annotations


class LendfaceError(Exception):
    """Every error we raise on purpose; ``code`` is stable and its sentence is safe to show."""

    code = "internal"
    may_pass = False  # whether the same may go well a little later, with nothing changed


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
        super().__init__(f"{name} cannot be read ({reason}); re-export it as MP4, MOV, MKV or WebM")
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


# What is written


class OutputError(LendfaceError):
    """The result cannot be written where or how it was asked for."""

    code = "bad_output"


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


class NotFoundError(ServiceError):
    """There is no such thing, or it belongs to somebody else; which of the two is not told."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no such {what}")
        self.what = what


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
