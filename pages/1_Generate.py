"""Generate: choose a classifier and classes, tune, watch the prototypes evolve, keep them."""

import streamlit as st

from pages.components.common.errors import errors_shown, explained
from pages.components.common.page import begin_page
from pages.components.generate import showing
from pages.components.generate.controls import setup_controls, start
from pages.components.generate.live_view import SHORTCUTS, show_failed, show_job
from pages.components.generate.stage import (
    find_job,
    show_empty,
    show_result,
    take_over_finished,
)
from pages.components.generate.tuning import moved, tuning_controls

begin_page(
    "Generate",
    "What does the classifier look for? Watch the image it considers most typical of a class.",
    SHORTCUTS,
)
with explained():
    what = showing.current()
    job = find_job(what)
    if job and take_over_finished(job):
        st.rerun()
    if job is None:
        what = showing.current()  # a job that is gone is shown no more
    wish = None
    with st.sidebar, errors_shown():
        if job and job.active:
            tuning_controls(job)
            st.button("Queue another run", icon=":material/add:", on_click=showing.show_nothing)
        else:
            wish, clicked = setup_controls(what)
            if clicked or (wish and showing.asked_to_start()):
                start(wish)
                st.rerun()
    if job and job.active:
        show_job(job, moved=moved)
    elif job:
        show_failed(job)
    elif what:
        show_result(*what, wish)
    else:
        show_empty(wish)
