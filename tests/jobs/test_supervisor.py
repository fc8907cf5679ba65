"""Workers beside a server: started again when they end, ended when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobs.crew import until
from lendface.jobs.supervisor import LONG_LIFE_S, WAITS_S, Post, Supervisor

ENVIRONMENT = dict(os.environ)
AT_ONCE = [sys.executable, "-S", "-c", "pass"]
AT_THE_PARENTS_END = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
NEVER = [
    sys.executable,
    "-S",
    "-c",
    "import signal, sys; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True);"
    "signal.pause()",
]


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post("p", AT_ONCE)
    yield post
    if post.process:
        post.process.kill()
        post.process.wait()
        assert post.process.stdin
        post.process.stdin.close()


def live(post: Post, from_s: float, to_s: float) -> None:
    """One life, by the clock of the test."""
    post.start(ENVIRONMENT, from_s)
    assert post.process
    post.process.wait()
    assert post.has_died(to_s)


def test_after_short_lives_the_pauses_grow_to_a_limit(post: Post) -> None:
    now_s, pauses = 100.0, []
    for _ in range(len(WAITS_S) + 2):
        live(post, now_s, now_s + 1)
        pauses.append(post.not_before_s - now_s - 1)
        now_s = post.not_before_s
    assert pauses == [*WAITS_S[1:], WAITS_S[-1], WAITS_S[-1], WAITS_S[-1]]


def test_after_a_long_life_the_next_begins_at_once(post: Post) -> None:
    for now_s in (0.0, 10.0, 20.0):
        live(post, now_s, now_s + 1)
    live(post, 100.0, 100.0 + LONG_LIFE_S + 1)
    assert post.is_due(100.0 + LONG_LIFE_S + 1)


def test_nothing_is_due_while_one_lives_or_before_its_time(post: Post) -> None:
    assert post.is_due(0.0)
    post.command = AT_THE_PARENTS_END
    post.start(ENVIRONMENT, 0.0)
    assert not post.is_due(1e9)
    assert not post.has_died(1e9)
    assert post.process
    assert post.process.stdin
    post.process.stdin.close()
    post.process.wait()
    assert post.has_died(1.0)
    assert not post.is_due(1.0)
    assert post.is_due(1.0 + WAITS_S[1])


def test_a_worker_that_was_killed_is_started_again_and_all_end_at_the_stop() -> None:
    posts = [Post(name, AT_THE_PARENTS_END) for name in ("one", "two")]
    supervisor = Supervisor(posts, ENVIRONMENT, interval_s=0.01)
    supervisor.start()
    first, other = posts[0].process, posts[1].process
    assert first
    assert other
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: posts[0].process not in (None, first))
    assert posts[1].process is other
    supervisor.stop(10)
    assert [post.process.poll() is not None for post in posts if post.process] == [True, True]


def test_a_worker_that_does_not_listen_is_killed_when_patience_ends(
    capfd: pytest.CaptureFixture[str],
) -> None:
    post = Post("deaf", NEVER)
    supervisor = Supervisor([post], ENVIRONMENT, interval_s=0.01)
    supervisor.start()
    until(lambda: "deaf" in capfd.readouterr().out)
    supervisor.stop(0)
    assert post.process
    assert post.process.returncode == -signal.SIGKILL


def test_a_worker_ends_when_its_server_was_killed() -> None:
    """The kernel closes our end of the pipe, and no other worker holds it open."""
    code = (
        "import os, sys; from lendface.jobs.supervisor import Post, Supervisor;"
        "command = [sys.executable, '-S', '-c',"
        ' \'import os, sys; os.write(1, b"+"); sys.stdin.read(); os.write(1, b"-")\'];'
        "Supervisor([Post('a', command), Post('b', command)], dict(os.environ)).start();"
        "sys.stdin.read()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout
    assert server.stdin
    assert server.stdout.read(2) == b"++"
    server.kill()
    assert server.stdout.read() == b"--"
    server.wait()
    server.stdin.close()
    server.stdout.close()


def test_a_command_that_cannot_be_run_is_tried_again_later() -> None:
    post = Post("none", ["/there/is/no/such/program"])
    supervisor = Supervisor([post], ENVIRONMENT, interval_s=0.01)
    supervisor.start()
    assert post.short_lives == 1
    post.command = AT_THE_PARENTS_END
    until(lambda: post.process)
    supervisor.stop(10)
