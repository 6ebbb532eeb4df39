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
from typing import TYPE_CHECKING, Any

from protocore.errors import LibraryError

if TYPE_CHECKING:
    from protocore.library.reviews import ReviewStore

log = logging.getLogger(__name__)


class Drafts:
    """The drafts of a library's review sessions; `key` names a form or a picture."""

    def __init__(self, store: ReviewStore) -> None:
        self._store = store

    def save(self, review_id: str, reviewer: str, key: str, values: Mapping[str, Any]) -> None:
        """Keep plain JSON values, in place of those kept before; raises LibraryError."""
        content = json.dumps(dict(values)).encode()
        self._store.write_file(review_id, _name(reviewer, key), content)

    def load(self, review_id: str, reviewer: str, key: str) -> dict[str, Any]:
        """What was kept last; {} when there is nothing, or nothing that can be read."""
        path = self._store.file(review_id, _name(reviewer, key))
        try:
            content = json.loads(path.read_bytes())
            return content if isinstance(content, dict) else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            log.warning("the draft %s cannot be read: %s", path, error)
            return {}

    def clear(self, review_id: str, reviewer: str, key: str) -> None:
        """Forget it: it was handed in."""
        with contextlib.suppress(OSError, LibraryError):
            self._store.file(review_id, _name(reviewer, key)).unlink(missing_ok=True)


def _name(reviewer: str, key: str) -> str:
    return f"drafts/{hashlib.sha256(f'{reviewer}|{key}'.encode()).hexdigest()}.json"
