"""The library's tables, and sessions that explain what went wrong.

SQLite by default; every statement is plain SQLAlchemy, so that the URL of a server may be given
instead. Times are ISO 8601 texts in UTC, which sort by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import (
    JSON,
    URL,
    Connection,
    Engine,
    ForeignKey,
    MetaData,
    String,
    Text,
    create_engine,
    event,
    inspect,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from protocore.errors import LibraryError

SCHEMA_VERSION = 2
BUSY_SECONDS = 10  # a writer waits so long for another one; ours take milliseconds


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})


class SchemaRow(Base):
    """One row: which version of the tables this database holds."""

    __tablename__ = "schema_version"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class RunRow(Base):
    """One generation: one or several prototypes made together."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    created: Mapped[str] = mapped_column(String(40), index=True)
    status: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[float]
    model: Mapped[str] = mapped_column(String(300))
    weights: Mapped[str] = mapped_column(String(300))
    source: Mapped[str] = mapped_column(String(40))
    weight_hash: Mapped[str] = mapped_column(String(64))
    model_title: Mapped[str] = mapped_column(String(620), index=True)
    model_link: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, default="")
    prototypes: Mapped[list[PrototypeRow]] = relationship(
        back_populates="run",
        cascade="all, delete-orphan",
        order_by="PrototypeRow.position",
        lazy="selectin",
    )


class PrototypeRow(Base):
    """One image of a run."""

    __tablename__ = "prototypes"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    stem: Mapped[str] = mapped_column(String(255))
    title: Mapped[str] = mapped_column(String(200))
    created: Mapped[str] = mapped_column(String(40), index=True)
    key: Mapped[str] = mapped_column(String(64), index=True)
    repeatable: Mapped[bool]
    preset: Mapped[str] = mapped_column(String(100))
    class_index: Mapped[int]
    class_name: Mapped[str] = mapped_column(String(1000))
    class_label: Mapped[str] = mapped_column(String(1020), index=True)
    seed: Mapped[int]
    steps: Mapped[int]
    logit: Mapped[float]
    probability: Mapped[float]
    naturalness: Mapped[dict | None] = mapped_column(JSON)
    similarity: Mapped[float | None]  # copy of naturalness["similarity"], to sort by
    deleted_at: Mapped[str | None] = mapped_column(String(40), index=True)
    run: Mapped[RunRow] = relationship(back_populates="prototypes", lazy="joined")
    tags: Mapped[list[TagRow]] = relationship(
        cascade="all, delete-orphan", order_by="TagRow.text", lazy="selectin"
    )


class TagRow(Base):
    """One tag of one prototype."""

    __tablename__ = "prototype_tags"
    prototype_id: Mapped[str] = mapped_column(
        ForeignKey("prototypes.id", ondelete="CASCADE"), primary_key=True
    )
    text: Mapped[str] = mapped_column(String(50), primary_key=True, index=True)


class ReviewRow(Base):
    """One review session; what happened in it are its events."""

    __tablename__ = "reviews"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    model_title: Mapped[str] = mapped_column(String(700))
    created: Mapped[str] = mapped_column(String(40))
    changed: Mapped[str] = mapped_column(String(40), index=True)
    deleted_at: Mapped[str | None] = mapped_column(String(40), index=True)


class ReviewEventRow(Base):
    """One event of a review session. Rows are only ever added."""

    __tablename__ = "review_events"
    review_id: Mapped[str] = mapped_column(
        ForeignKey("reviews.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[dict] = mapped_column(JSON)


def _add_reviews(connection: Connection) -> None:
    Base.metadata.create_all(
        connection, tables=[ReviewRow.__table__, ReviewEventRow.__table__], checkfirst=True
    )


# How to get from version n to n + 1; a change of the tables comes with its entry here.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _add_reviews}


class Database:
    """Sessions on one database; safe to share between threads."""

    def __init__(self, url: str | URL) -> None:
        self.url = url
        self._engine = _connect(url)
        writer = self._engine.execution_options(writing=True)
        with explained(url), writer.begin() as connection:
            _prepare_schema(connection, url)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries."""
        with explained(self.url), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back when anything fails."""
        engine = self._engine.execution_options(writing=True)
        session = Session(engine, expire_on_commit=False)
        with explained(self.url), session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _connect(url: str | URL) -> Engine:
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise LibraryError(
            f"PROTOCORE_DATABASE_URL is not a database that can be used here: {error}; give an "
            "SQLAlchemy URL such as sqlite:////folder/library.sqlite and install its driver"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection, _record) -> None:
    # The driver's own transactions would leave out table changes; see _begin_sqlite.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
    connection.execute("PRAGMA synchronous = FULL")  # what is saved survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that turns from reading to writing fails at once when another one has
    # written in between; one that says at its beginning that it will write waits its turn.
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_schema(connection: Connection, url: str | URL) -> None:
    """Create the tables, or bring them to SCHEMA_VERSION step by step."""
    if not inspect(connection).has_table(SchemaRow.__tablename__):
        Base.metadata.create_all(connection)
        connection.execute(SchemaRow.__table__.insert().values(version=SCHEMA_VERSION))
        return
    version = connection.execute(SchemaRow.__table__.select()).scalar_one()
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"the library's database {_place(url)} has version {version} and was written by a "
            f"newer Protocore; this one reads up to version {SCHEMA_VERSION}: update Protocore, "
            "or set PROTOCORE_HOME to another folder"
        )
    for old in range(version, SCHEMA_VERSION):
        MIGRATIONS[old](connection)
    if version < SCHEMA_VERSION:
        connection.execute(SchemaRow.__table__.update().values(version=SCHEMA_VERSION))


@contextmanager
def explained(url: str | URL) -> Iterator[None]:
    """Turn errors of the database into LibraryError with a way out."""
    try:
        yield
    except DBAPIError as error:
        raise LibraryError(_explanation(str(error.orig), _place(url))) from error
    except SQLAlchemyError as error:
        raise LibraryError(_explanation(str(error), _place(url))) from error


def _explanation(message: str, place: str) -> str:
    if "locked" in message:
        return (
            f"the library's database {place} has been in use by another program for "
            f"{BUSY_SECONDS} seconds; try again, and close other programs that have it open"
        )
    if "malformed" in message or "not a database" in message:
        return (
            f"the library's database {place} is damaged ({message}); rename the file and start "
            "again: the runs are then read back from their folders, with titles and tags"
        )
    if "disk is full" in message or "disk I/O error" in message:
        return f"the disk of {place} is full or failing ({message}); make room and try again"
    if "unable to open" in message or "readonly" in message:
        return (
            f"the library's database {place} cannot be opened for writing ({message}); check "
            "that its folder exists and can be written, or set PROTOCORE_HOME to another folder"
        )
    return f"the library's database {place} reports: {message}"


def _place(url: str | URL) -> str:
    """The file of an SQLite URL, any other URL without its password."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed.database
    return parsed.render_as_string(hide_password=True)
