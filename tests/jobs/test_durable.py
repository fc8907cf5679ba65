"""What the durable engine is asked from outside, and what it must not do."""

from __future__ import annotations

import ast
import base64
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import lendface
from jobs.crew import FORKS, POLLING_S, Crew
from lendface.errors import DatabaseError
from lendface.jobs.durable import SCHEMA, Durable
from lendface.jobs.work import CONTROL
from lendface.storage.database import create_engine, is_sqlite, normal_url
from services.postgres import PostgresServer

SOURCE = Path(lendface.__file__).parent
TABLES = ("workflow_status", "operation_outputs", "workflow_input", "workflow_output")


# What is queued


def test_a_job_is_queued_with_the_transaction_it_belongs_to(crew: Crew) -> None:
    with crew.engine.connect() as connection:
        crew.durable.submit(
            connection, "a", 1, priority=1, render_queue="cpu", client_id="me", fetches=False
        )
        connection.rollback()
    assert not crew.durable.is_at("a", 1)
    crew.submit("a")
    assert crew.durable.is_at("a", 1)
    assert not crew.durable.is_at("a", 2)


def test_the_queues_depths_are_known(crew: Crew) -> None:
    crew.submit("a", "b")
    crew.send("d")
    crew.send("d", 2, 3600)
    empty = {"quick": 0, "cpu": 0, "gpu": 0}
    assert crew.durable.depth_by_queue() == {"jobs": 2, "fetch": 0, "notify": 1, **empty}


def test_work_goes_back_only_while_it_is_still_the_dead_ones(crew: Crew) -> None:
    """``a`` is done by somebody else by now, ``b`` was cancelled, ``c`` is where it was."""
    crew.submit("a", "b", "c")
    set_rows(crew, "status = 'PENDING', executor_id = 'gone'")
    set_rows(crew, "executor_id = 'alive'", "workflow_uuid = 'job/a/1'")
    crew.durable.cancel("b", 1)
    ids = [f"job/{job_id}/1" for job_id in "abc"]
    assert crew.durable.requeue("gone", "jobs", ids) == 1
    assert crew.rows("status, executor_id, queue_name") == [
        ("PENDING", "alive", "jobs"),
        ("CANCELLED", "gone", None),
        ("ENQUEUED", "gone", "jobs"),
    ]


def test_who_is_said_to_do_what(crew: Crew) -> None:
    crew.submit("a", "b", "c")
    crew.send("d")
    set_rows(crew, "status = 'PENDING', executor_id = 'one'", "workflow_uuid != 'job/c/1'")
    assert crew.durable.pending_by_executor() == {
        "one": {"jobs": ["job/a/1", "job/b/1"], "notify": ["delivery/d/1/1"]}
    }
    assert crew.durable.pending_by_executor("two") == {}


# Messages


def test_a_message_waits_for_its_time_and_is_sent_once(crew: Crew) -> None:
    crew.send("later", 1, 3600)
    crew.send("soon", 2, 0.2)
    crew.send("now", round_number=2)
    crew.start("control", *CONTROL)
    crew.until(lambda: all(crew.who("delivered", name) for name in ("soon", "now")))
    delivered = [line[2:] for line in crew.toys.lines() if line[1] == "delivered"]
    assert sorted(delivered) == [["now", "2/1"], ["soon", "1/2"]]
    later = crew.rows("status", "workflow_uuid = 'delivery/later/1/1'")
    assert later == [("DELAYED",)]


def test_attempts_at_messages_are_forgotten_once_they_were_made(crew: Crew) -> None:
    crew.start("control", *CONTROL)
    crew.send("d")
    crew.send("d", 2, 3600)
    crew.until(lambda: crew.durable.forget_deliveries())
    assert crew.rows("workflow_uuid") == [("delivery/d/1/2",)]


# What is kept


def test_a_forgotten_job_leaves_nothing_behind(crew: Crew) -> None:
    crew.start_both()
    crew.submit("a", "b")
    crew.until_ended("a", "b")
    before = {table: contents(crew, table) for table in TABLES}
    crew.submit("a", run=2)
    crew.until(lambda: not crew.durable.is_at("a", 2))
    crew.durable.forget("a", 2)
    for table in TABLES:
        left = contents(crew, table)
        assert left
        assert left == [row for row in before[table] if "/a/" not in str(row)]
    crew.durable.forget("nobody", 1)


def test_everything_that_is_stored_is_json(crew: Crew) -> None:
    crew.order("fail", "b", "chunk/1")
    crew.start_both()
    crew.submit("a", "b")
    crew.until_ended("a", "b")
    stored = [
        value
        for table, columns in (
            ("workflow_input", "inputs"),
            ("workflow_output", "output, error"),
            ("operation_outputs", "output, error"),
        )
        for row in contents(crew, table, columns)
        for value in row
        if value is not None
    ]
    assert len(stored) > 20
    for value in stored:
        json.loads(value)
    assert crew.rows("DISTINCT serialization, 1 AS created_at") == [("portable_json", 1)]


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickled_value_in_the_database_runs_no_code(crew: Crew, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    crew.submit("a", "b")
    pickled = base64.b64encode(pickle.dumps({"args": (Bomb(mark),), "kwargs": {}})).decode()
    set_rows(crew, "serialization = 'py_pickle'", "workflow_uuid = 'job/a/1'")
    with crew.engine.begin() as connection:
        connection.execute(
            sa.text(
                f"UPDATE {prefix(crew)}workflow_input SET inputs = :inputs "
                "WHERE workflow_uuid = 'job/a/1'"
            ),
            {"inputs": pickled},
        )
    crew.start_both()
    crew.until_ended("b")
    crew.until(lambda: not crew.durable.is_at("a", 1))
    assert crew.rows("status", "workflow_uuid = 'job/a/1'") == [("ERROR",)]
    assert not mark.exists()


# Preparing


def test_several_prepare_one_database_at_once(database_url: str) -> None:
    url = normal_url(database_url)
    starting = [FORKS.Process(target=_prepare, args=(url,), daemon=True) for _ in range(4)]
    for process in starting:
        process.start()
    for process in starting:
        process.join()
    assert [process.exitcode for process in starting] == [0] * 4


def _prepare(url: str) -> None:
    Durable(create_engine(url, begins_itself=True)).prepare(POLLING_S)


@pytest.mark.services
def test_a_database_that_is_away_is_told_and_not_waited_for(postgres: PostgresServer) -> None:
    url = normal_url(postgres.new_database())
    durable = Durable(create_engine(url, begins_itself=True))
    durable.prepare(POLLING_S)
    postgres.stop()
    try:
        for ask in (
            lambda: durable.is_at("a", 1),
            lambda: durable.cancel("a", 1),
            lambda: durable.forget("a", 1),
            lambda: durable.requeue("me", "cpu", ["x"]),
            durable.depth_by_queue,
            durable.pending_by_executor,
        ):
            with pytest.raises(DatabaseError):
                ask()
    finally:
        postgres.start()
    assert not durable.is_at("a", 1)
    durable.close()


# Who may know the engine


def imports_of(file: Path) -> set[str]:
    """Modules of the durable engine, each with what is taken from it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.split(".")[0] == "dbos"}


def test_one_room_knows_the_durable_engine() -> None:
    knowing = {file for file in SOURCE.rglob("*.py") if imports_of(file)}
    assert {file.parent for file in knowing} == {SOURCE / "jobs"}


def test_of_the_engines_inside_two_names_are_used_and_no_more() -> None:
    private = {
        name
        for file in (SOURCE / "jobs").glob("*.py")
        for name in imports_of(file)
        if any(part.startswith("_") for part in name.split("."))
    }
    assert private == {"dbos._sys_db.SystemDatabase", "dbos._serialization.DefaultSerializer"}


def test_nothing_but_a_worker_or_a_server_loads_the_engine() -> None:
    code = "import sys, lendface, lendface.cli; assert 'dbos' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def prefix(crew: Crew) -> str:
    return "" if is_sqlite(crew.url) else f"{SCHEMA}."


def set_rows(crew: Crew, values: str, where: str = "TRUE") -> None:
    with crew.engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE {prefix(crew)}workflow_status SET {values} WHERE {where}")
        )


def contents(crew: Crew, table: str, columns: str = "workflow_uuid") -> list[tuple[object, ...]]:
    with crew.engine.connect() as connection:
        query = sa.text(f"SELECT {columns} FROM {prefix(crew)}{table} ORDER BY workflow_uuid")
        return [tuple(row) for row in connection.execute(query)]
