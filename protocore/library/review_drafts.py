"""What somebody has begun to write in a review session and not yet handed in.

<home>/reviews/<session>/drafts/<digest>.json: one file for each reviewer and form. Drafts are
nobody else's business: they are in no bundle and no report.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from protocore.errors import LibraryError
from protocore.library.reviews import ReviewStore

log = logging.getLogger(__name__)


def save_draft(
    store: ReviewStore, review_id: str, author: str, form: str, values: Mapping[str, Any]
) -> None:
    """Keep the values of a form, plain JSON values; raises LibraryError."""
    content = json.dumps(dict(values)).encode()
    store.write_file(review_id, _name(author, form), content)


def load_draft(store: ReviewStore, review_id: str, author: str, form: str) -> dict[str, Any]:
    """What was kept last; {} when there is nothing, or nothing that can be read."""
    path = store.file(review_id, _name(author, form))
    try:
        content = json.loads(path.read_bytes())
        return content if isinstance(content, dict) else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the draft %s cannot be read: %s", path, error)
        return {}


def drop_draft(store: ReviewStore, review_id: str, author: str, form: str) -> None:
    """Forget it: it was handed in."""
    with contextlib.suppress(OSError, LibraryError):
        store.file(review_id, _name(author, form)).unlink(missing_ok=True)


def _name(author: str, form: str) -> str:
    return f"drafts/{hashlib.sha256(f'{author}|{form}'.encode()).hexdigest()}.json"
