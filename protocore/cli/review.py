"""Command line: `review` lists, exports and imports review sessions."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from protocore.errors import ReviewError
from protocore.files import home_folder
from protocore.library.library import Library
from protocore.library.review_bundle import export_review, import_review
from protocore.library.reviews import ReviewInfo
from protocore.text import printable


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `review`."""
    parser = subparsers.add_parser(
        "review",
        help="list, export or import review sessions",
        description="Sessions lie in the library, see `library`.",
    )
    add_home_option(parser)
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


def add_home_option(parser: argparse.ArgumentParser) -> None:
    """The option `--home`."""
    parser.add_argument("--home", type=Path, metavar="DIR", help="another library folder")


def run_list(args: argparse.Namespace) -> int:
    """Print the sessions, the one that was changed last first."""
    library = open_library(args)
    infos = library.reviews.infos(deleted=args.trash)
    for info in infos:
        columns = (
            info.id,
            info.changed[:16],
            info.model_title,
            f"{info.events} events",
            info.title,
        )
        print("\t".join(map(printable, columns)))
    if not infos:
        print(f"no review sessions in the library {library.folder}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write a session into a bundle."""
    library = open_library(args)
    path = export_review(library, find_session(library, args.session).id, args.out)
    print(f"{path}  {path.stat().st_size / 2**20:.1f} MB")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Take over a bundle."""
    report = import_review(open_library(args, create=True), args.file)
    print(f"{report.review_id}  {printable(report.sentence)}")
    return 0


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
        "see `protocore review list`"
    )


def open_library(args: argparse.Namespace, *, create: bool = False) -> Library:
    """The library that `--home` or PROTOCORE_HOME names; raises ReviewError where none is."""
    home = args.home or home_folder()
    if not home.is_dir() and not create:
        raise ReviewError(
            f"there is no library folder {home}; set PROTOCORE_HOME or --home to the folder of "
            "yours, or give the file of a bundle"
        )
    return Library(home, os.environ.get("PROTOCORE_DATABASE_URL") or None)
