"""The tables as the migrations make them, on SQLite and PostgreSQL."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lendface.errors import BadOptionError, DatabaseTooNewError
from lendface.service.audit import record, verify
from lendface.storage import schema
from lendface.storage.database import Database
from lendface.storage.tables import metadata
from lendface.trust.audit import BEFORE_ALL

Rows = dict[str, list[dict[str, Any]]]

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "test"
down_revision = "{head}"


def upgrade():
{up}


def downgrade():
{down}
"""
ALTER_UP = """
    with op.batch_alter_table("clients") as batch:
        batch.add_column(sa.Column("colour", sa.String(10), nullable=False, server_default="red"))
        batch.alter_column("name", existing_type=sa.String(200), type_=sa.Text())
        batch.drop_column("max_running")
    with op.batch_alter_table("jobs") as batch:
        batch.create_index("ix_jobs_api", ["api"])
        batch.alter_column("units", existing_type=sa.Integer(), type_=sa.BigInteger())
"""
ALTER_DOWN = """
    with op.batch_alter_table("jobs") as batch:
        batch.drop_index("ix_jobs_api")
        batch.alter_column("units", existing_type=sa.BigInteger(), type_=sa.Integer())
    with op.batch_alter_table("clients") as batch:
        batch.add_column(sa.Column("max_running", sa.Integer()))
        batch.alter_column("name", existing_type=sa.Text(), type_=sa.String(200))
        batch.drop_column("colour")
"""
FAIL = """
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("UPDATE clients SET name = 'changed'")
    raise KeyError("a mistake")
"""
BREAK = """
    op.execute("DELETE FROM clients")
"""


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Adds a revision after the last."""

    def add(up: str, down: str = "    pass") -> None:
        folder = tmp_path / "later revisions"
        folder.mkdir()
        text = REVISION.format(head=schema.head(), up=up, down=down)
        (folder / "later.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(schema, "VERSIONS", (*schema.VERSIONS, folder))

    return add


def fill(database: Database) -> Rows:
    """One row in every table; what is there afterwards."""
    with database.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.insert().values(**row_of(table)))
    return read(database)


def row_of(table: sa.Table) -> dict[str, Any]:
    """A value in each column; texts are all the same, so that references hold."""
    return {column.name: value_of(column.type) for column in table.columns}


def value_of(kind: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(kind, sa.JSON):
        return {"list": [1, None, "ä"]}
    return 7 if isinstance(kind, sa.Integer) else "x"


def read(database: Database) -> Rows:
    with database.reading() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.sorted_tables
        }


def table_names(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(sa.inspect(connection).get_table_names()) - {"alembic_version"}


# The revisions we ship


def test_the_migrated_tables_are_the_tables(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_every_table_comes_goes_and_comes_again(empty_database: Database) -> None:
    database = empty_database
    assert schema.current(database) is None
    schema.upgrade(database)
    assert schema.current(database) == schema.head()
    rows = fill(database)
    assert all(len(found) == 1 for found in rows.values())
    schema.downgrade(database, "base")
    assert (schema.current(database), table_names(database)) == (None, set())
    schema.upgrade(database)
    assert (schema.current(database), table_names(database)) == (schema.head(), set(rows))
    assert fill(database) == rows


def test_an_upgrade_of_what_is_new_already_keeps_everything(database: Database) -> None:
    rows = fill(database)
    schema.upgrade(database)
    schema.upgrade(database, schema.head())
    assert read(database) == rows


def test_what_the_first_revision_knew_outlives_a_way_back(database: Database) -> None:
    rows = fill(database)
    schema.downgrade(database, "0001")
    schema.upgrade(database)
    (attested,) = read(database)["attestations"]
    assert (attested["client_id"], attested["made_by"]) == ("x", "upgrade")
    rows["clients"][0] |= {"login_key": None, "consent_policy": None}
    rows["clients"][0]["attestation_id"] = attested["id"]
    rows["jobs"][0]["attestation_id"] = None
    rows["uploads"][0] |= {"incoming_key": None, "etag": None}
    rows |= {"attestations": [attested], "consents": [], "job_consents": []}
    rows |= {"protected_faces": [], "job_uploads": [], "consent_users": []}
    (entry,) = rows["audit"]
    rows["used_logins"] = []
    found = read(database)
    (again,) = found["audit"]
    assert (again["id"], again["previous"], again["actor"]) == (1, BEFORE_ALL, "x")
    rows["audit"] = [entry | {name: again[name] for name in ("id", "previous", "hash")}]
    assert found == rows


def test_files_of_jobs_and_users_of_consents_are_found_in_what_is_there(
    database: Database,
) -> None:
    """In the JSON of requests, of all forms there were, and of consents."""
    rows = fill(database)
    job, consent = rows["jobs"][0], rows["consents"][0]
    swap = {
        "kind": "swap",
        "target": "film",
        "pairs": [
            {"photos": [{"upload": "a"}, {"upload": "b"}], "who": {"photo": None}},
            {"photos": [{"upload": "a"}], "who": {"photo": {"upload": "c"}}},
        ],
        "consents": ["no file"],
    }
    detect = {"kind": "detect", "targets": ["d", "e"]}
    enrol = {"kind": "consent", "photo": {"upload": "f"}, "consent": "no file"}
    requests = {"1": swap, "2": detect, "3": enrol, "4": {}}
    users = {"c1": ["x", "*", "x"], "c2": [], "c3": ["x"]}
    schema.downgrade(database, "0005")
    names = [name for name in consent if name != "stopped_ms"]
    with database.writing() as connection:
        for number, request in requests.items():
            new = {"id": number, "request": request, "alias": number, "idempotency_key": number}
            connection.execute(metadata.tables["jobs"].insert().values(**job | new))
        for name, who in users.items():
            new = {"id": name, "users": who, "withdrawn_ms": 5 if name == "c3" else None}
            values = {column: (consent | new)[column] for column in names}
            connection.execute(metadata.tables["consents"].insert().values(**values))
    schema.upgrade(database)
    found = read(database)
    assert {(row["job_id"], row["upload_id"]) for row in found["job_uploads"]} == {
        *(("1", upload) for upload in ("film", "a", "b", "c")),
        *(("2", upload) for upload in ("d", "e")),
        ("3", "f"),
    }
    named = {(row["client_id"], row["consent_id"]) for row in found["consent_users"]}
    assert named == {("x", "c1"), ("*", "c1")}


OLD_ENTRY = sa.text(
    "INSERT INTO audit (id, at_ms, client_id, action, subject, detail) "
    "VALUES (:id, 5, NULL, :action, :subject, :detail)"
)


def test_entries_that_are_there_are_chained_in_their_order(empty_database: Database) -> None:
    database = empty_database
    schema.upgrade(database, "0002")
    ids = (2, 3, 7, *range(10, 2500))
    with database.writing() as connection:
        old = [
            {"id": id_, "action": "key.revoked", "subject": str(id_), "detail": '{"ä": [1, 2.5]}'}
            for id_ in reversed(ids)
        ]
        connection.execute(OLD_ENTRY, old)
    schema.upgrade(database)
    with database.writing() as connection:
        record(connection, "key.revoked", "new", None, {}, 6)
    assert verify(database).holds
    found = [(row["id"], row["subject"]) for row in read(database)["audit"]]
    subjects = [*map(str, ids), "new"]
    assert found == list(enumerate(subjects, 1))


def test_on_the_way_back_entries_count_on(database: Database) -> None:
    with database.writing() as connection:
        for _ in range(3):
            record(connection, "key.revoked", "new", None, {}, 6)
    schema.downgrade(database, "0002")
    old = sa.text(
        "INSERT INTO audit (at_ms, action, detail) VALUES (5, 'key.revoked', '{}') RETURNING id"
    )
    with database.writing() as connection:
        assert connection.execute(old).scalar_one() == 4
    schema.upgrade(database)
    assert verify(database).entries == 4
    assert verify(database).holds


# A revision to come


def test_a_changed_table_keeps_its_rows_and_those_that_refer_to_it(
    database: Database, next_revision: Any
) -> None:
    rows = fill(database)
    next_revision(ALTER_UP, ALTER_DOWN)
    before = schema.current(database)
    schema.upgrade(database)
    assert schema.current(database) == "test"
    with database.reading() as connection:
        found = connection.execute(sa.text("SELECT id, colour, name FROM clients")).all()
        assert found == [("x", "red", "x")]
    assert before is not None
    schema.downgrade(database, before)
    rows["clients"][0]["max_running"] = None  # the column was dropped
    assert read(database) == rows
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_references_are_enforced_again_after_a_migration(
    database: Database, next_revision: Any
) -> None:
    fill(database)
    next_revision(ALTER_UP, ALTER_DOWN)
    schema.upgrade(database)
    with pytest.raises(sa.exc.IntegrityError), database.writing() as connection:
        connection.execute(sa.text("DELETE FROM clients"))


@pytest.mark.parametrize("up", [FAIL, BREAK], ids=["fails half-way", "breaks a reference"])
def test_a_revision_that_goes_wrong_changes_nothing(
    up: str, database: Database, next_revision: Any
) -> None:
    rows = fill(database)
    before, tables = schema.current(database), table_names(database)
    next_revision(up)
    with pytest.raises((KeyError, RuntimeError, sa.exc.IntegrityError)):
        schema.upgrade(database)
    assert (schema.current(database), table_names(database)) == (before, tables)
    assert read(database) == rows


# Several at once, and other versions


def test_several_processes_that_start_at_once_agree(empty_database: Database) -> None:
    context = get_context("spawn")
    everybody = context.Barrier(3)
    starting = [
        context.Process(target=start, args=(empty_database.url, everybody)) for _ in range(3)
    ]
    for process in starting:
        process.start()
    for process in starting:
        process.join(timeout=300)
    assert [process.exitcode for process in starting] == [0, 0, 0]
    assert schema.current(empty_database) == schema.head()


def start(url: str, everybody: Any) -> None:
    """What each process does."""
    database = Database(url)
    everybody.wait(timeout=300)
    schema.upgrade(database)
    database.close()


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    rows = fill(database)
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'of 2031'"))
    for move in (schema.upgrade, lambda it: schema.downgrade(it, "base")):
        with pytest.raises(DatabaseTooNewError, match="a newer lendface"):
            move(database)
    assert (schema.current(database), read(database)) == ("of 2031", rows)


@pytest.mark.parametrize("move", [schema.upgrade, schema.downgrade])
def test_a_revision_that_is_not_there_is_refused(move: Any, database: Database) -> None:
    with pytest.raises(BadOptionError, match="revision nowhere"):
        move(database, "nowhere")
    assert schema.current(database) == schema.head()
