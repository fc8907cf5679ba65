"""Gives up, for good, what a process that reads one strange file has no use for.

Stands on the standard library alone and imports nothing of ours: ``inspector.py`` loads it by its
path. What the kernel does not offer is left out, and ``confine`` says what is in force:

- ``no_new_privileges``: nothing that is run later gains rights (prctl 38).
- ``landlock``: only the one file may be read, and the program's own libraries; nothing written; no
  TCP connection; no signal and no abstract socket to processes outside (Linux 5.13 and later,
  where it is switched on).
- ``seccomp``: no network, no other program, no look into other processes, no file changed, and
  none of the kernel's rarer doors (x86-64 and AArch64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

PR_SET_SECCOMP, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 22, 4, 38
MODE_FILTER = 2

# Landlock: include/uapi/linux/landlock.h. The system calls have these numbers everywhere.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
GIVE_VERSION, PATH_BENEATH = 1, 1
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))  # (from version, how many rights it knows)
CONNECT_AND_BIND_TCP, SIGNALS_AND_SOCKETS = 0b11, 0b11
NET_VERSION, SCOPE_VERSION = 4, 6

# Seccomp: include/uapi/linux/filter.h, audit.h and seccomp.h
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # a second set of numbers on x86-64
CLONE_THREAD = 0x10000
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# By name: the number on x86-64 (None: it has none) and on AArch64.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # network
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # other programs
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # files: only read, and only by their names
    "creat": (85, None),
    "truncate": (76, 45),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # the kernel
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "unshare": (272, 97),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "capset": (126, 91),
    "mq_open": (240, 180),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
}
# Not to be looked into, or newer ways of what is allowed: whoever meets "no such call" goes the
# older way.
UNKNOWN: dict[str, tuple[int | None, int | None]] = {"clone3": (435, 435), "openat2": (437, 437)}
OPEN, OPENAT, CLONE = (2, None), (257, 56), (56, 220)
TGKILL = (234, 131)

Step = tuple[int, int, int, int]  # of a filter: code, jump if true, jump if false, value


def confine(path: str, libraries: Sequence[str] = ()) -> list[str]:
    """Keep to reading the file at ``path``, in this and all later threads of the process.

    ``libraries`` are folders from which it may still load code. What is open already stays open.
    Returns what of it is in force.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core of it, and no other process looks in
    in_force = []
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        in_force.append("no_new_privileges")
        if landlock(libc, {path: READ_FILE, **dict.fromkeys(libraries, READ_FILE | READ_FOLDER)}):
            in_force.append("landlock")
        if seccomp(libc):
            in_force.append("seccomp")
    return in_force


def landlock(libc: ctypes.CDLL, rights_by_path: Mapping[str, int]) -> bool:
    """Whether from now on nothing but this can be done to files, and no others reached."""
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), GIVE_VERSION)
    if version < 1:
        return False
    rights = next(count for since, count in reversed(FILE_RIGHTS) if version >= since)
    network = CONNECT_AND_BIND_TCP if version >= NET_VERSION else 0
    scoped = SIGNALS_AND_SOCKETS if version >= SCOPE_VERSION else 0
    size = 24 if version >= SCOPE_VERSION else 16 if version >= NET_VERSION else 8
    handled = struct.pack("=QQQ", (1 << rights) - 1, network, scoped)[:size]
    ruleset = libc.syscall(CREATE_RULESET, handled, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        for path, allowed in rights_by_path.items():
            with suppress(OSError):  # what is not there cannot be read anyway
                allow(libc, ruleset, path, allowed)
        return libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def allow(libc: ctypes.CDLL, ruleset: int, path: str, allowed: int) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", allowed, file)
        libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(file)


def seccomp(libc: ctypes.CDLL) -> bool:
    """Whether the kernel has taken the filter."""
    steps = filter_for(platform.machine(), os.getpid())
    if not steps:
        return False
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    return libc.prctl(PR_SET_SECCOMP, MODE_FILTER, program, 0, 0) == 0


def filter_for(machine: str, pid: int) -> list[Step]:
    """The filter as a program of classic BPF; none for a machine that is not known."""
    if machine not in ARCHITECTURES:
        return []
    column = list(ARCHITECTURES).index(machine)
    steps: list[Step] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [(JUMP_AT_LEAST, 0, 1, X32), refusal(errno.EPERM)]
    for numbers, code in ((DENIED, errno.EPERM), (UNKNOWN, errno.ENOSYS)):
        for pair in numbers.values():
            steps += when(pair[column], [refusal(code)])
    for call, argument in ((OPEN, 1), (OPENAT, 2)):
        steps += when(call[column], unless_any_bit(argument, WRITING))
    steps += when(CLONE[column], only_if_bit(0, CLONE_THREAD))
    steps += when(TGKILL[column], only_if_equal(0, pid))
    return [*steps, (RETURN, 0, 0, ALLOW)]


def when(number: int | None, then: Sequence[Step]) -> list[Step]:
    """``then`` for that call, which must end; the others go on."""
    return [] if number is None else [(JUMP_EQUAL, 0, len(then), number), *then]


def refusal(code: int) -> Step:
    return (RETURN, 0, 0, FAIL | code)


def unless_any_bit(argument: int, bits: int) -> list[Step]:
    return [load(argument), (JUMP_ANY_BIT, 0, 1, bits), refusal(errno.EPERM), (RETURN, 0, 0, ALLOW)]


def only_if_bit(argument: int, bit: int) -> list[Step]:
    return [load(argument), (JUMP_ANY_BIT, 1, 0, bit), refusal(errno.EPERM), (RETURN, 0, 0, ALLOW)]


def only_if_equal(argument: int, value: int) -> list[Step]:
    return [load(argument), (JUMP_EQUAL, 1, 0, value), refusal(errno.EPERM), (RETURN, 0, 0, ALLOW)]


def load(argument: int) -> Step:
    """The lower half of an argument; both machines are little-endian."""
    return (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument)
