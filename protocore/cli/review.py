"""Command line: `review`, `report` and `verify`: sessions listed, sent, taken over, checked."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from protocore.cli.models import add_model_options, fetch, spec_from_args
from protocore.errors import ReviewError
from protocore.files import home_folder
from protocore.library.library import Library
from protocore.models.catalog import find_entry

if TYPE_CHECKING:
    from protocore.library.reviews import ReviewInfo

# The modules behind these commands import SciPy, which takes a second that others need not wait.

DIFFERS = 3  # exit status of `verify` when something is not what the bundle says


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the commands `review`, `report` and `verify`."""
    _register_review(subparsers)
    parser = subparsers.add_parser(
        "report",
        help="write the report of a review session",
        description="One HTML file that needs nothing else. From a bundle it is made without "
        "taking the session over.",
    )
    _add_home(parser)
    parser.add_argument("session", metavar="SESSION", help="identifier, title, or a bundle's file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")
    parser.set_defaults(run=run_report)

    parser = subparsers.add_parser(
        "verify",
        help="check a session's bundle and make its prototypes and tests again",
        description="Checks every file, makes every prototype again, predicts the images of the "
        "demo world again, and prints what became of each check. Exit status 0: nothing differs, "
        f"{DIFFERS}: something does. The model is the session's own unless one is given.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    add_model_options(parser)
    parser.set_defaults(run=run_verify)


def _register_review(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "review",
        help="list, export or import review sessions",
        description="Sessions lie in the library, see `library`.",
    )
    _add_home(parser)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser("list", help="one line for each session")
    action.add_argument("--trash", action="store_true", help="what was deleted instead")
    action.set_defaults(run=run_list)

    action = actions.add_parser("export", help="write a session into one file")
    action.add_argument("session", metavar="SESSION", help="identifier, part of it, or title")
    action.add_argument("--out", required=True, type=Path, metavar="FILE")
    action.set_defaults(run=run_export)

    action = actions.add_parser("import", help="take over the session of a bundle")
    action.add_argument("file", type=Path)
    action.set_defaults(run=run_import)


def _add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, metavar="DIR", help="another library folder")


def run_list(args: argparse.Namespace) -> int:
    """Print the sessions, the one that was changed last first."""
    library = _open(args)
    infos = library.reviews.infos(deleted=args.trash)
    for info in infos:
        columns = (
            info.id,
            info.changed[:16],
            info.model_title,
            f"{info.events} events",
            info.title,
        )
        print("\t".join(map(_printable, columns)))
    if not infos:
        print(f"no review sessions in the library {library.folder}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write a session into a bundle."""
    from protocore.library.review_bundle import export_review

    library = _open(args)
    path = export_review(library, find_session(library, args.session).id, args.out)
    print(f"{path}  {path.stat().st_size / 2**20:.1f} MB")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Take over a bundle."""
    from protocore.library.review_bundle import import_review

    report = import_review(_open(args, create=True), args.file)
    print(f"{report.review_id}  {_printable(report.sentence)}")
    return 0


def run_report(args: argparse.Namespace) -> int:
    """Write a report, from the library or from a bundle."""
    from protocore.reports.review.build import write_bundle_report, write_report

    if Path(args.session).is_file():
        print(write_bundle_report(args.session, args.out))
        return 0
    library = _open(args)
    print(write_report(library, find_session(library, args.session).id, args.out))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check a bundle and print the table."""
    from protocore.library.verify import verify_bundle

    spec = None
    if args.model or args.weights:
        spec = spec_from_args(args)
        if args.download and spec.kind == "torchvision":
            fetch(find_entry(spec.architecture, spec.weights))
    shown = _Line()
    try:
        verification = verify_bundle(args.bundle, progress=shown.show, spec=spec)
    finally:
        shown.close()
    print(verification.text)
    return 0 if verification.ok else DIFFERS


def find_session(library: Library, query: str) -> ReviewInfo:
    """The session with this identifier, a unique part of it, or just this title.

    Raises ReviewError when nothing or more than one fits.
    """
    infos = [*library.reviews.infos(), *library.reviews.infos(deleted=True)]
    fits = (
        [info for info in infos if info.id == query],
        [info for info in infos if info.title == query],
        [info for info in infos if query and query in info.id],
    )
    found = next((some for some in fits if some), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise ReviewError(
            f"{query!r} fits {len(found)} sessions ({', '.join(info.id for info in found[:5])}); "
            "give the identifier of one"
        )
    raise ReviewError(
        f"the library {library.folder} has no review session {query!r}, and there is no such file; "
        "see `python -m protocore review list`"
    )


class _Line:
    """One line on stderr that says what is being done; nothing where nobody is looking."""

    def __init__(self) -> None:
        self._wide = 0

    def show(self, done: int, total: int, text: str) -> None:
        """Replace the line."""
        if sys.stderr.isatty():
            line = f"{done}/{total}  {_printable(text)}"[:100]
            print(f"\r{line:{self._wide}}", end="", file=sys.stderr, flush=True)
            self._wide = len(line)

    def close(self) -> None:
        """Clear it."""
        if self._wide:
            print(f"\r{'':{self._wide}}\r", end="", file=sys.stderr, flush=True)


def _open(args: argparse.Namespace, *, create: bool = False) -> Library:
    home = args.home or home_folder()
    if not home.is_dir() and not create:
        raise ReviewError(
            f"there is no library folder {home}; set PROTOCORE_HOME or --home to the folder of "
            "yours, or give the file of a bundle"
        )
    return Library(home, os.environ.get("PROTOCORE_DATABASE_URL") or None)


def _printable(text: str) -> str:
    """Names may come from foreign files: no tab and no control sequence reaches the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
