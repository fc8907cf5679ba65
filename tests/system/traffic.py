"""Where processes connect to, by what the kernel is asked for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path

CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def watched(notes: Path) -> list[str]:
    """Words before a command: it and all that it starts are watched, and its process id is that
    of whoever was started."""
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={CALLS}", "-o", str(notes)]


def outside(notes: Path, allowed: Sequence[str] = ()) -> list[str]:
    """The calls that went to other machines; to ask for a name is such a call, too."""
    return [line for line in notes.read_text().splitlines() if is_outside(line, allowed)]


def is_outside(line: str, allowed: Sequence[str]) -> bool:
    found = [four or six for four, six in ADDRESS.findall(line)]
    return any(not ipaddress.ip_address(a).is_loopback and a not in allowed for a in found)
