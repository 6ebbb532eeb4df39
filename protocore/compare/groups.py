"""Groups of classes with a name, kept in a small file beside the library."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocore.errors import LibraryError, SettingsError
from protocore.models.classifier import Classifier

FILE = "class_groups.json"
MAX_NAME = 60  # characters


@dataclass(frozen=True, kw_only=True)
class ClassGroup:
    """Classes that belong together, for every model that has classes of these names."""

    name: str
    classes: tuple[tuple[int, str], ...]  # index and name

    def fits(self, classifier: Classifier) -> bool:
        """Whether the classifier has all of these classes under the same indices."""
        return all(
            index < classifier.num_classes and classifier.class_names[index] == name
            for index, name in self.classes
        )

    @property
    def indices(self) -> tuple[int, ...]:
        """The class indices."""
        return tuple(index for index, _ in self.classes)


def load_groups(folder: str | Path) -> tuple[ClassGroup, ...]:
    """All groups kept in the folder, by name; raises LibraryError when the file is damaged."""
    path = Path(folder) / FILE
    if not path.is_file():
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            ClassGroup(name=str(name), classes=tuple((int(i), str(n)) for i, n in classes))
            for name, classes in sorted(content.items())
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LibraryError(
            f"the saved groups in {path} cannot be read ({error}); repair or delete that file"
        ) from error


def save_group(
    folder: str | Path, name: str, classifier: Classifier, classes: Sequence[int]
) -> ClassGroup:
    """Keep a group, replacing one of the same name; raises SettingsError, LibraryError."""
    text = " ".join(name.split())
    if not 1 <= len(text) <= MAX_NAME:
        raise SettingsError(f"a group needs a name of 1 to {MAX_NAME} characters, got {len(text)}")
    if len(classes) < 2:
        raise SettingsError(f"a group needs at least 2 classes, got {len(classes)}")
    indices = [classifier.find_class(index) for index in classes]
    group = ClassGroup(name=text, classes=tuple((i, classifier.class_names[i]) for i in indices))
    others = [other for other in load_groups(folder) if other.name != text]
    _write(Path(folder), [*others, group])
    return group


def delete_group(folder: str | Path, name: str) -> None:
    """Forget a group; nothing happens when there is none of that name."""
    _write(Path(folder), [group for group in load_groups(folder) if group.name != name])


def _write(folder: Path, groups: Sequence[ClassGroup]) -> None:
    content = {group.name: [list(pair) for pair in group.classes] for group in groups}
    draft = folder / f".{FILE}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
        draft.replace(folder / FILE)
    except OSError as error:
        raise LibraryError(
            f"the group could not be saved in {folder}: {error.strerror or error}; make room or "
            "choose a folder that can be written (PROTOCORE_HOME)"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
