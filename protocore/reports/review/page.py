"""A review session as one HTML page that needs nothing else and runs nothing.

    page = report_html(session, material)

The page depends on session and material alone: from the same bundle the same report is made. It
opens with one page that stands alone; full tables, pictures and the log are in the appendix.
"""

from __future__ import annotations

from protocore.generation.prototype import PrototypeRecord
from protocore.reports.html import code, render
from protocore.reports.review.claims import claim_view
from protocore.reports.review.front import front_view
from protocore.reports.review.prototypes import prototype_views, versions_text
from protocore.reports.review.rounds import round_view
from protocore.review.evidence import GRADES, RULES
from protocore.review.log import log_rows
from protocore.review.material import Picture, ReportMaterial
from protocore.review.session import ReviewSession

__all__ = ["POLICY", "Picture", "ReportMaterial", "report_html"]

# Nothing may be loaded or run, whatever a text in the report says; pictures lie in the page.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)


def report_html(session: ReviewSession, material: ReportMaterial) -> str:
    """The whole page as text, to be written as UTF-8."""
    claims = [
        claim_view(session, number, claim, material)
        for number, claim in enumerate(session.claims, start=1)
    ]
    return render(
        "review/report.html.j2",
        policy=POLICY,
        session=session,
        front=front_view(session, claims, material),
        claims=claims,
        rounds=[
            round_view(session, number, found, material)
            for number, found in enumerate(session.rounds, start=1)
        ],
        prototypes=prototype_views(session, material),
        rules=list(RULES.items()),
        grades=list(GRADES.items()),
        log=log_rows(session),
        versions=_versions(material),
        hashes=_hashes(session),
    )


def _versions(material: ReportMaterial) -> list[str]:
    records: list[PrototypeRecord] = [picture.record for picture in material.pictures.values()]
    made = {versions_text(one.versions) for one in (*records, *material.results.values())}
    return sorted(made)


def _hashes(session: ReviewSession) -> list[tuple[object, ...]]:
    rows = {
        f"prototypes/{item.prototype_id}.png": item.digest
        for found in session.rounds
        for item in found.items
    }
    rows |= {f"tests/{test.id}/result.json": test.digest for test in session.tests if test.digest}
    return [(name, code(digest)) for name, digest in rows.items()]
