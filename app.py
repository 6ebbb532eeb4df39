"""Home: the newest prototypes, running work, and one button to the first picture."""

import streamlit as st

from pages.components.common.errors import errors_shown
from pages.components.common.home import (
    load_ahead,
    show_demo_world,
    show_ready,
    show_tour,
    show_work,
)
from pages.components.common.page import begin_page
from pages.components.common.progress import show_jobs

begin_page("Home", "Find out what an image classifier has learned.")
st.markdown(
    "Protocore makes **prototypes**: images that a classifier considers most typical of a class "
    "and whose layers respond as they do to photographs. Whatever turns up in a prototype without "
    "belonging to the class, such as a hand beside the fish or a face under the hat, shows what "
    "else the model has learned to rely on."
)
with errors_shown():
    show_jobs()
    show_work()
show_tour()
with errors_shown():
    show_demo_world()
    show_ready()
load_ahead()
