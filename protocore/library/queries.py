"""The library's questions to its database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, selectinload

from protocore.errors import LibraryError
from protocore.library.database import PrototypeRow, RunRow, TagRow
from protocore.library.entries import SORTS, Facets, Filter

Row = TypeVar("Row", RunRow, PrototypeRow)

ORDERS: dict[str, tuple[ColumnElement, ...]] = {
    "newest": (PrototypeRow.created.desc(),),
    "oldest": (PrototypeRow.created,),
    "class": (PrototypeRow.class_index, PrototypeRow.created.desc()),
    "title": (func.lower(PrototypeRow.title),),
    "probability": (PrototypeRow.probability.desc(),),
    "similarity": (PrototypeRow.similarity.is_(None), PrototypeRow.similarity.desc()),
}
KEYS_AT_ONCE = 500  # SQLite allows some thousand parameters in one statement


def prototypes_query(wanted: Filter, sort: str) -> Select:
    """Rows of prototypes, in a stable order."""
    if sort not in ORDERS:
        raise LibraryError(f"sort must be one of {', '.join(SORTS)}, got {sort!r}")
    query = select(PrototypeRow).join(PrototypeRow.run).where(*conditions(wanted))
    return query.order_by(*ORDERS[sort], PrototypeRow.run_id, PrototypeRow.position)


def count_query(wanted: Filter) -> Select:
    """How many prototypes there are."""
    query = select(func.count()).select_from(PrototypeRow).join(PrototypeRow.run)
    return query.where(*conditions(wanted))


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """What a prototype must fulfil; all of it."""
    found = [
        PrototypeRow.deleted_at.is_not(None)
        if wanted.deleted
        else PrototypeRow.deleted_at.is_(None)
    ]
    if wanted.model:
        found.append(RunRow.model_title == wanted.model)
    if wanted.class_label:
        found.append(PrototypeRow.class_label == wanted.class_label)
    if wanted.run_id:
        found.append(PrototypeRow.run_id == wanted.run_id)
    if wanted.tag:
        found.append(PrototypeRow.tags.any(TagRow.text == wanted.tag))
    return found + [_contains(word) for word in wanted.text.split()]


def _contains(word: str) -> ColumnElement[bool]:
    columns = (
        PrototypeRow.title,
        PrototypeRow.class_label,
        PrototypeRow.preset,
        RunRow.title,
        RunRow.model_title,
    )
    return or_(
        *(column.icontains(word, autoescape=True) for column in columns),
        PrototypeRow.tags.any(TagRow.text.icontains(word, autoescape=True)),
    )


def parts(ids: Iterable[str]) -> list[list[str]]:
    """Identifiers, at most KEYS_AT_ONCE together, each once."""
    unique = list(dict.fromkeys(ids))
    return [unique[i : i + KEYS_AT_ONCE] for i in range(0, len(unique), KEYS_AT_ONCE)]


def by_ids(session: Session, table: type[Row], ids: Iterable[str]) -> dict[str, Row]:
    """The rows that are there, by identifier."""
    queries = (select(table).where(table.id.in_(part)) for part in parts(ids))
    return {row.id: row for query in queries for row in session.scalars(query).unique()}


def runs_query() -> Select:
    """Rows of the runs that are not altogether in the trash, newest first."""
    kept = RunRow.prototypes.any(PrototypeRow.deleted_at.is_(None))
    whole = selectinload(RunRow.prototypes)
    return select(RunRow).options(whole).where(kept).order_by(RunRow.created.desc(), RunRow.id)


def repeatable_rows(session: Session, keys: list[str]) -> list[PrototypeRow]:
    """Prototypes with these keys that the request alone makes again, newest first."""
    rows: list[PrototypeRow] = []
    for part in parts(keys):
        query = select(PrototypeRow).where(
            and_(
                PrototypeRow.key.in_(part),
                PrototypeRow.repeatable,
                PrototypeRow.deleted_at.is_(None),
            )
        )
        rows += session.scalars(query.order_by(PrototypeRow.created.desc())).all()
    return rows


def facets(session: Session, *, deleted: bool) -> Facets:
    """Models, classes and tags with their numbers of prototypes, alphabetically."""
    kept = conditions(Filter(deleted=deleted))

    def plural(column, query: Select) -> dict[str, int]:
        rows = session.execute(query.where(*kept).group_by(column)).all()
        return dict(sorted(tuple(row) for row in rows))

    model, tag = RunRow.model_title, TagRow.text
    classes = select(
        PrototypeRow.class_index, PrototypeRow.class_label, func.count(PrototypeRow.id)
    )
    grouped = classes.where(*kept).group_by(PrototypeRow.class_index, PrototypeRow.class_label)
    return Facets(
        models=plural(model, select(model, func.count(PrototypeRow.id)).join(RunRow.prototypes)),
        classes={label: number for _, label, number in sorted(session.execute(grouped).all())},
        tags=plural(tag, select(tag, func.count()).select_from(TagRow).join(PrototypeRow)),
    )
