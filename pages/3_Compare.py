"""Compare: prototypes of related classes side by side, fairly and in numbers."""

import streamlit as st

from pages.components.common.errors import explained, show_error
from pages.components.common.page import begin_page
from pages.components.compare import state as compare_state
from pages.components.compare.controls import adopt, setup_controls
from pages.components.compare.stage import show_comparison, show_empty, show_running
from protocore.errors import JobError, LibraryError

begin_page(
    "Compare",
    "How does the classifier tell related classes apart, and what does it mix up?",
)
with explained():
    prototypes, jobs = compare_state.current()
    try:
        adopt(prototypes)
        running = compare_state.active_jobs(jobs)
    except JobError as error:
        show_error(str(error))
        running = []
    except LibraryError:
        compare_state.show(())  # the next visit begins anew
        raise
    if jobs and not running:
        prototypes, _ = compare_state.current()
    with st.sidebar:
        setup_controls(busy=bool(running))
    if running:
        show_running(running)
    elif prototypes:
        show_comparison(prototypes)
    else:
        show_empty()
