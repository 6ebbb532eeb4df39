"""A round after the names were shown: who saw what, how far they agree, and what matters."""

from __future__ import annotations

import base64
from dataclasses import replace

import streamlit as st

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.resources import library
from pages.components.review import state as review_state
from pages.components.review.drafts import drafted, drafted_text, hand_in
from protocore.jobs.rounds import load_picture
from protocore.reports.charts.marks import marks_svg
from protocore.reports.html import Markup, image_uri, visible
from protocore.review.events import Observed, Occluded, RoundItem
from protocore.review.evidence import as_effect
from protocore.review.material import picture_name
from protocore.review.occlusion import CONTROLS, occlusion_effect
from protocore.review.round_agreement import round_agreement
from protocore.review.session import Observation, ReviewSession, Round

COLUMNS = 4
MARKS_STYLE = (
    ".halo{fill:none;stroke:#fff;stroke-width:5;vector-effect:non-scaling-stroke}"
    ".edge{fill:none;stroke:#e4572e;stroke-width:2.4;vector-effect:non-scaling-stroke}"
    ".brush{fill:none;stroke:#fff;stroke-opacity:.35;stroke-linecap:round}"
    ".tag{font:700 7px sans-serif;fill:#e4572e;stroke:#fff;stroke-width:1.4;paint-order:stroke}"
)
ROLES = {"target": "the class", "distractor": "distractor", "baseline": "Fourier baseline"}


def show_seen(session: ReviewSession, of: Round) -> None:
    """Pictures with names and marks, agreement, and a place for later remarks."""
    waiting = [name for name in session.reviewers if name not in of.revealed]
    if waiting:
        st.caption(
            f"Still looking: {escaped(', '.join(waiting))}. What they write stays hidden until "
            "they have finished."
        )
    visible = [one for one in of.observations() if one.author in of.revealed]
    _agreement(of)
    later = of.observations(blind=False)
    rows = [of.items[i : i + COLUMNS] for i in range(0, len(of.items), COLUMNS)]
    for row in rows:
        for item, column in zip(row, st.columns(COLUMNS), strict=False):
            with column:
                _item(session, of, item, [one for one in visible if one.said.item == item.id])
                for one in later:
                    if one.said.item == item.id:
                        st.caption(f":material/schedule: later, {_said(one)}")
                _later(session, of, item)


def _agreement(of: Round) -> None:
    """Shared marks, kappa on tags and overlap of regions, for those who have finished."""
    found = round_agreement(of)
    if len(found.observers) < 2:
        st.caption(":material/group: Agreement is shown when two reviewers have finished looking.")
        return
    kappa, columns = found.kappa, st.columns(3)
    columns[0].metric(
        kappa.name, "–" if kappa.value is None else f"{kappa.value:.2f}", border=True,
        help=kappa.reason or "On tags. 1: the same tags everywhere, 0: as by chance",
    )  # fmt: skip
    columns[1].metric(
        "Shared tags", _share(found.shared), border=True,
        help="Share of a picture's tags that two or more reviewers gave it, on average",
    )  # fmt: skip
    columns[2].metric(
        "Overlap of regions", _share(found.overlap), border=True,
        help="Intersection over union of what two reviewers marked, on average",
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _item(session: ReviewSession, of: Round, item: RoundItem, said: list[Observation]) -> None:
    record = load_picture(library(), session.id, item).record
    name = picture_name(item.prototype_id)
    content = library().reviews.read_file(session.id, name, item.digest)
    st.html(_with_marks(content, said, f"Prototype of {item.class_label}, seed {item.seed}"))
    st.markdown(f"**{escaped(item.class_label)}** · seed {item.seed}")
    st.caption(f"{ROLES[item.role]} · p {record.probability:.2f}")
    for number, one in enumerate(said, start=1):
        st.markdown(f"{number}. {_said(one)}" if len(said) > 1 else _said(one))
        if one.said.regions and item.role == "target":
            _cover(session, of, item, one)


def _with_marks(picture: bytes, said: list[Observation], alt: str) -> str:
    """The picture and over it what was marked, as an image of its own: pages show no SVG."""
    shown = Markup('<img src="{}" alt="{}">').format(image_uri(picture), visible(alt))
    marks = marks_svg(said, MARKS_STYLE)
    if not marks:
        return Markup('<div class="picture">{}</div>').format(shown)
    drawing = base64.b64encode(marks.encode()).decode()
    return Markup(
        '<div class="picture">{}<img class="over" alt="" src="data:image/svg+xml;base64,{}"></div>'
    ).format(
        shown,
        drawing,
    )


def _said(one: Observation) -> str:
    tags = " ".join(f":violet-badge[{escaped(tag)}]" for tag in one.said.tags)
    return f"**{escaped(one.author)}** ({one.said.confidence:.0%}): {escaped(one.said.text)} {tags}"


def _cover(session: ReviewSession, of: Round, item: RoundItem, one: Observation) -> None:
    """What occluding the marked region does to the logit of the class."""
    done = [
        covered
        for covered in of.occlusions
        if (covered.item, covered.observer) == (item.id, one.author)
    ]
    if done:
        effect = as_effect(done[-1])
        word = "matters" if effect.matters else "matters no more than other places"
        st.caption(
            f":material/hide_image: Occluded, it {word}: logit {-effect.drop:+.2f}, more than at "
            f"{effect.exceeded:.0%} of {len(effect.control_drops)} other places."
        )
    if review_state.me() not in of.revealed:
        return
    st.button(
        "Occlude again" if done else "Occlude the marked region",
        key=f"cover_{of.id}_{item.id}_{one.author}",
        icon=":material/hide_image:",
        help=f"Blurs the marked region, then the same shape at {CONTROLS} other places, and "
        "compares how far the logit of the class falls.",
        on_click=_cover_now,
        args=(session, of, item, one),
    )


def _cover_now(session: ReviewSession, of: Round, item: RoundItem, one: Observation) -> None:
    with errors_shown():
        classifier = review_state.classifier_of(session)
        image = load_picture(library(), session.id, item).image
        found = occlusion_effect(classifier, image, one.said.regions, item.class_index)
        review_state.act(
            session.id,
            Occluded(
                round=of.id,
                item=item.id,
                observer=one.author,
                class_index=item.class_index,
                drop=found.drop,
                control_drops=found.control_drops,
                share=found.share,
            ),
        )


def _later(session: ReviewSession, of: Round, item: RoundItem) -> None:
    """A remark after the names are known, said to be one."""
    with st.popover("Add a remark", icon=":material/add_comment:"):
        form = f"later {of.id} {item.id}"
        before = of.later.get((item.id, review_state.me()))
        said = before.said if before else Observed(round=of.id, item=item.id)
        key = f"later_{of.id}_{item.id}_{review_state.me()}"
        drafted_text(
            session,
            form,
            "What do you see now?",
            stored=said.text,
            handed_in=_count(session, item),
            key=key,
            rows=3,
        )
        st.button(
            "Save the remark", key=f"{key}_button", on_click=_save, args=(session, form, said)
        )


def _count(session: ReviewSession, item: RoundItem) -> int:
    """How often the reviewer has written of that picture."""
    return sum(
        isinstance(event.action, Observed)
        and (event.author, event.action.item) == (review_state.me(), item.id)
        for event in session.log
    )


def _save(session: ReviewSession, form: str, before: Observed) -> None:
    now = replace(before, text=drafted(session, form, before.text))
    if now != before:
        hand_in(session, form, now)
