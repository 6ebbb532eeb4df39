"""Command line: `library` lists, exports, imports, deletes and restores what was made."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from protocore.errors import LibraryError
from protocore.files import home_folder
from protocore.library.bundle import export_bundle, import_bundle
from protocore.library.entries import SORTS, Filter, PrototypeInfo
from protocore.library.library import Library


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `library` with its actions."""
    parser = subparsers.add_parser(
        "library",
        help="list, export, import, delete what was made",
        description="The library lies in the folder PROTOCORE_HOME (default: ~/.protocore).",
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="another library folder")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _register_list(actions)
    _register_export(actions)

    action = actions.add_parser("import", help="take over the prototypes of a bundle")
    action.add_argument("file", type=Path)
    action.set_defaults(run=run_import)

    for name, run, text in (
        ("delete", run_delete, "put prototypes into the trash"),
        ("restore", run_restore, "take prototypes out of the trash"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("ids", nargs="+", metavar="ID", help="of prototypes, as listed")
        action.set_defaults(run=run)

    action = actions.add_parser("purge", help="empty the trash for good")
    action.add_argument("--yes", action="store_true", help="really")
    action.set_defaults(run=run_purge)

    action = actions.add_parser("rebuild", help="enter run folders that the database has lost")
    action.set_defaults(run=run_rebuild)


def _register_list(actions: argparse._SubParsersAction) -> None:
    action = actions.add_parser("list", help="one line for each prototype")
    _add_filter(action)
    action.add_argument("--trash", action="store_true", help="what was deleted instead")
    action.add_argument("--sort", choices=SORTS, default="newest")
    action.add_argument("--limit", type=int, metavar="N")
    action.add_argument("--json", action="store_true", help="all that is known, as JSON lines")
    action.set_defaults(run=run_list)


def _register_export(actions: argparse._SubParsersAction) -> None:
    action = actions.add_parser("export", help="write prototypes into one file")
    action.add_argument("ids", nargs="*", metavar="ID", help="of prototypes; none: all that fit")
    _add_filter(action)
    action.add_argument("--out", required=True, type=Path, metavar="FILE")
    action.set_defaults(run=run_export)


def _add_filter(action: argparse.ArgumentParser) -> None:
    action.add_argument("--model", default="", metavar="TITLE", help="as listed")
    action.add_argument(
        "--class", default="", dest="class_label", metavar="LABEL", help="as listed"
    )
    action.add_argument("--tag", default="")
    action.add_argument("--text", default="", help="words in titles, model, class or tags")


def run_list(args: argparse.Namespace) -> int:
    """Print the prototypes that fit."""
    library = _open(args)
    infos = library.prototypes(_filter(args, args.trash), sort=args.sort, limit=args.limit)
    for info in infos:
        print(_as_json(info) if args.json else _as_line(info))
    if not infos and not args.json:
        print(f"nothing fits in the library {library.folder}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write the given prototypes, or all that fit, into a bundle."""
    library = _open(args)
    ids = args.ids or [info.id for info in library.prototypes(_filter(args))]
    path = export_bundle(library, ids, args.out)
    print(f"{path}  {len(set(ids))} prototypes, {path.stat().st_size / 2**20:.1f} MB")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Take over a bundle."""
    report = import_bundle(_open(args), args.file)
    print(report.sentence)
    return 0


def run_delete(args: argparse.Namespace) -> int:
    """Put prototypes into the trash."""
    _open(args).delete(args.ids)
    print(f"{len(set(args.ids))} in the trash; `library restore` brings them back")
    return 0


def run_restore(args: argparse.Namespace) -> int:
    """Take prototypes out of the trash."""
    _open(args).restore(args.ids)
    print(f"{len(set(args.ids))} brought back")
    return 0


def run_purge(args: argparse.Namespace) -> int:
    """Empty the trash, if that is really meant."""
    library = _open(args)
    number = library.count(Filter(deleted=True))
    if number and not args.yes:
        raise LibraryError(
            f"the trash holds {number} prototypes, which purge deletes for good with all files; "
            "say --yes if that is meant"
        )
    print(f"{library.purge()} deleted for good")
    return 0


def run_rebuild(args: argparse.Namespace) -> int:
    """Enter run folders that the database does not know."""
    print(f"{_open(args).rebuild()} runs entered")
    return 0


def _open(args: argparse.Namespace) -> Library:
    home = args.home or home_folder()
    if not home.is_dir() and args.run is not run_import:
        raise LibraryError(
            f"there is no library folder {home}; set PROTOCORE_HOME or --home to the folder of "
            "yours, or make a prototype in the app first"
        )
    return Library(home, os.environ.get("PROTOCORE_DATABASE_URL") or None)


def _filter(args: argparse.Namespace, trash: bool = False) -> Filter:
    return Filter(
        model=args.model,
        class_label=args.class_label,
        tag=args.tag,
        text=args.text,
        deleted=trash,
    )


def _as_line(info: PrototypeInfo) -> str:
    """Tabs between the columns, so that other programs can take it apart."""
    similarity = "-" if info.similarity is None else f"{info.similarity:.3f}"
    columns = (
        info.id,
        info.created[:16],
        info.model_title,
        info.class_label,
        f"seed {info.seed}",
        f"p={info.probability:.3f}",
        f"similarity={similarity}",
        "files missing" if info.damaged else info.title,
        " ".join(f"#{tag}" for tag in info.tags),
    )
    return "\t".join(_printable(column) for column in columns).rstrip()


def _printable(text: str) -> str:
    """Names may come from foreign files: no tab and no control sequence reaches the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _as_json(info: PrototypeInfo) -> str:
    return json.dumps(vars(info), default=str)
