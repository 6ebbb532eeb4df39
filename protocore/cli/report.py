"""Command line: `report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from protocore.cli.review import add_home_option, find_session, open_library
from protocore.reports.pdf import html_to_pdf
from protocore.reports.review.build import write_bundle_report, write_report


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `report`."""
    parser = subparsers.add_parser(
        "report",
        help="write the report of a review session",
        description="One HTML file that needs nothing else. From a bundle it is made without "
        "taking the session over.",
    )
    add_home_option(parser)
    parser.add_argument("session", metavar="SESSION", help="identifier, title, or a bundle's file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.html")
    parser.add_argument(
        "--pdf", action="store_true", help="also print it to a PDF file beside it (needs Chromium)"
    )
    parser.set_defaults(run=run_report)


def run_report(args: argparse.Namespace) -> int:
    """Write a report, from the library or from a bundle."""
    if Path(args.session).is_file():
        page = write_bundle_report(args.session, args.out)
    else:
        library = open_library(args)
        page = write_report(library, find_session(library, args.session).id, args.out)
    print(page)
    if args.pdf:
        print(html_to_pdf(page))
    return 0
