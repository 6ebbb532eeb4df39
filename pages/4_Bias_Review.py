"""Bias Review: from what one sees in a prototype to a tested claim and a report."""

import streamlit as st

from pages.components.common.errors import explained
from pages.components.common.page import Shortcut, begin_page
from pages.components.review import state as review_state
from pages.components.review.claims import show_claims
from pages.components.review.guide import show_guide
from pages.components.review.list import show_sessions
from pages.components.review.look import show_rounds
from pages.components.review.observing import finish_earlier
from pages.components.review.report import show_log, show_report
from pages.components.review.session import STEPS, follow, header, step_control
from pages.components.review.tests import show_tests

begin_page(
    "Bias Review",
    "Inspect prototypes blind, record what you see, state claims, test them, report.",
    (
        Shortcut(key="j", label="Next picture", button="look_next"),
        Shortcut(key="k", label="Picture before", button="look_back"),
    ),
)
review_state.begin_run()
with explained():
    session = review_state.current()
    review_state.show_notice()
    if session is None:
        show_sessions()
        st.stop()
    header(session)
    show_guide(session)
    step = step_control(session)
    if review_state.me() not in session.reviewers:
        st.info(
            "Enter your name above to continue; every entry is attributed.",
            icon=":material/person:",
        )
        st.stop()
    session = finish_earlier(session, looking=step == "Look")
    parts = (show_rounds, show_claims, show_tests, show_report, show_log)
    draw = dict(zip(STEPS, parts, strict=True))
    draw[step](session)
    follow(session, step)
