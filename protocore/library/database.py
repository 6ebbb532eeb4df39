"""The library's tables, and sessions that explain what went wrong.

SQLite by default; every statement is plain SQLAlchemy, so that the URL of a server may be given
instead. Times are ISO 8601 texts in UTC, which sort by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    delete,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from protocore.errors import LibraryError

SCHEMA_VERSION = 3
FILLING = 0  # in place of a version: the tables are there, the folders are not read back yet
BUSY_SECONDS = 10  # a writer waits so long for another one; ours take milliseconds
STATEMENT_SECONDS = 60  # after which a server gives a statement up
_SCHEMA_LOCK = 0x70726F74  # any number that others do not use: PostgreSQL's advisory lock


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


class JobRow(Base):
    """One job that survives its process, see `protocore.library.jobs`."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(300))
    request: Mapped[dict] = mapped_column(JSON)
    queue: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(40))
    visitor: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), index=True)
    owner: Mapped[str] = mapped_column(String(200))
    heartbeat: Mapped[float]  # seconds since the epoch
    created: Mapped[str] = mapped_column(String(40), index=True)
    changed: Mapped[str] = mapped_column(String(40))
    tries: Mapped[int]
    tried_at: Mapped[int]
    done: Mapped[int]
    total: Mapped[int]
    result: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text)


def _add_jobs(connection: Connection) -> None:
    JobRow.__table__.create(connection, checkfirst=True)
    for index in (*RunRow.__table__.indexes, *PrototypeRow.__table__.indexes):
        index.create(connection, checkfirst=True)


# How to get from version n to n + 1; a change of the tables comes with its entry here.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {2: _add_jobs}


class Database:
    """Sessions on one database; safe to share between threads."""

    def __init__(self, url: str | URL) -> None:
        self.url = url
        self._engine = _connect(url)
        writer = self._engine.execution_options(writing=True)
        with explained(url), writer.begin() as connection:
            _prepare_schema(connection, url)
        self._file = _file(self._engine)
        self._inode = _inode(self._file)

    @property
    def filled(self) -> bool:
        """False while the tables are new: what folders hold is to be read back into them."""
        with self.reading() as session:
            return session.get(SchemaRow, FILLING) is None

    def set_filled(self) -> None:
        """Note that everything was read back."""
        with self.writing() as session:
            session.execute(delete(SchemaRow).where(SchemaRow.version == FILLING))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries."""
        with explained(self.url), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back when anything fails."""
        self._check_file()
        engine = self._engine.execution_options(writing=True)
        session = Session(engine, expire_on_commit=False)
        with explained(self.url), session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _check_file(self) -> None:
        """SQLite would go on with a file that was deleted under it, into nowhere."""
        if self._file is not None and _inode(self._file) != self._inode:
            raise LibraryError(
                f"the library folder has lost {self._file}: it was deleted or replaced, or its "
                "disk is no longer connected; bring it back, or start the app again to begin a "
                "new library"
            )


def _file(engine: Engine) -> Path | None:
    """The file of an SQLite database."""
    name = engine.url.database if engine.dialect.name == "sqlite" else None
    return Path(name) if name and name != ":memory:" else None


def _inode(file: Path | None) -> int | None:
    try:
        return None if file is None else file.stat().st_ino
    except OSError:
        return -1


def _connect(url: str | URL) -> Engine:
    options = {}
    if _backend(url) == "postgresql":
        waits = f"-c lock_timeout={BUSY_SECONDS}s -c statement_timeout={STATEMENT_SECONDS}s"
        options = {"connect_args": {"options": waits, "connect_timeout": BUSY_SECONDS}}
    try:
        engine = create_engine(url, **options)
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
    if connection.dialect.name == "postgresql":  # one process at a time; SQLite has locked all
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    versions = SchemaRow.__table__
    if not inspect(connection).has_table(SchemaRow.__tablename__):
        Base.metadata.create_all(connection)
        rows = [{"version": SCHEMA_VERSION}, {"version": FILLING}]
        connection.execute(versions.insert(), rows)
        return
    version = connection.execute(select(func.max(versions.c.version))).scalar() or 0
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"the library's database {_place(url)} has version {version} and was written by a "
            f"newer Protocore; this one reads up to version {SCHEMA_VERSION}: update Protocore, "
            "or set PROTOCORE_HOME to another folder"
        )
    if version < min(MIGRATIONS):
        raise LibraryError(
            f"the library's database {_place(url)} has version {version}, which was never "
            "released; rename it and start again: the runs are then read back from their folders"
        )
    for old in range(version, SCHEMA_VERSION):
        MIGRATIONS[old](connection)
    if version < SCHEMA_VERSION:
        newer = versions.update().where(versions.c.version == version)
        connection.execute(newer.values(version=SCHEMA_VERSION))


@contextmanager
def explained(url: str | URL) -> Iterator[None]:
    """Turn errors of the database into LibraryError with a way out."""
    try:
        yield
    except DBAPIError as error:
        raise LibraryError(_explanation(str(error.orig).strip(), _place(url))) from error
    except SQLAlchemyError as error:
        raise LibraryError(_explanation(str(error), _place(url))) from error


def _explanation(message: str, place: str) -> str:
    if "locked" in message or "lock timeout" in message:
        return (
            f"the library's database {place} has been in use by another program for "
            f"{BUSY_SECONDS} seconds; try again, and close other programs that have it open"
        )
    if "statement timeout" in message:
        return (
            f"the library's database {place} did not answer within {STATEMENT_SECONDS} seconds; "
            "try again, and look at the load of its server"
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


def _backend(url: str | URL) -> str:
    """The kind of a database, such as "sqlite"; "" for what is no URL."""
    try:
        return make_url(url).get_backend_name()
    except ArgumentError:
        return ""


def _place(url: str | URL) -> str:
    """The file of an SQLite URL, any other URL without its password."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed.database
    return parsed.render_as_string(hide_password=True)
