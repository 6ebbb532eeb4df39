"""A review session to drive the Bias Review page with, and ways to look at the page."""

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.common import resources
from protocore.cohorts.plan import TestPlan
from protocore.demo.biases import claim_by_key
from protocore.demo.network import CLASS_NAMES
from protocore.jobs import rounds as review_rounds
from protocore.jobs.engine import JobEngine
from protocore.jobs.rounds import RoundRequest, submit_round
from protocore.library.library import Library
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.review import events as ev
from tests.presets import shorten

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "pages" / "4_Bias_Review.py"
PATIENCE = 60  # seconds
GOWN, HAT = (CLASS_NAMES.index(name) for name in ("academic gown", "mortarboard"))
CLAIM = "c1a1c1a1"
# Pixels and the program of a component tell nothing, and hold any word there is.
_SILENT = re.compile(r'base64,[A-Za-z0-9+/=]+|\b(js|css)_content: "(?:[^"\\]|\\.)*"')


def prepare(folder: Path) -> str:
    """A library with a session of Ada's and one blind round; returns the session's identifier.

    The round: three gowns, two mortarboards, one Fourier baseline.
    """
    library, engine, pool = Library(folder), JobEngine(), ModelPool()
    spec = ModelSpec.demo(device="cpu")
    classifier = pool.get(spec)
    started = ev.Started(
        title="What is worn", model_link=spec.to_link(), model_title=classifier.title,
        weight_hash=classifier.weight_hash, classes=(GOWN, HAT),
    )  # fmt: skip
    review = library.reviews.create("Ada", started)
    request = RoundRequest(class_index=GOWN, distractor=HAT, distractor_seeds=(0, 1))
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        patch.setattr(review_rounds.secrets, "randbelow", lambda below: 7)  # the order
        view = engine.wait(submit_round(engine, library, pool, review, "Ada", request), PATIENCE)
    assert view.status == "done", view.error
    engine.close()
    library.close()
    return review


class Site:
    """The page on a library with the prepared session."""

    def __init__(self, review: str) -> None:
        self.review = review

    @property
    def session(self):
        """What another process sees of the session now."""
        library = Library(resources.library().folder)
        try:
            return library.reviews.session(self.review)
        finally:
            library.close()

    @property
    def round(self):
        return self.session.rounds[0]

    def act(self, author, *actions):
        """Somebody does something elsewhere."""
        resources.library().reviews.append(self.review, author, *actions)

    def open(self, name="", step="", **link):
        """A fresh browser session of a reviewer; one who is new has joined."""
        if name and name not in self.session.reviewers:
            self.act(name, ev.Joined())
        return open_page(name, session=self.review, **({"step": step} if step else {}), **link)

    def claim(self, key="gown-skin", claim=CLAIM, author="Ada", **changes):
        """Enter a claim about the demo world, written by somebody elsewhere."""
        known = claim_by_key(key)
        values = {
            "claim": claim, "base": 0, "statement": f"About {key}", "cohort_a": "light",
            "cohort_b": "dark", "known": key,
            "plan": TestPlan(target=known.class_index, measure="logit", paired=True),
        }  # fmt: skip
        self.act(author, ev.Claimed(**values | changes))

    def observe(self, author, item, text="", **changes):
        """Somebody writes about a picture elsewhere."""
        self.act(author, ev.Observed(round=self.round.id, item=item.id, text=text, **changes))

    def reveal(self, *authors):
        """These have finished looking."""
        for author in authors:
            self.act(author, ev.Revealed(round=self.round.id))


def open_page(name="", **link):
    """A fresh browser session."""
    app = AppTest.from_file(PAGE, default_timeout=PATIENCE)
    for key, value in link.items():
        app.query_params[key] = value
    app.session_state["review_me"] = name  # there is no browser that could remember one
    return checked(app.run())


def restart():
    """As if the app had been ended and started again on the same folder."""
    import streamlit as st

    resources.engine().close()
    resources.library().close()
    st.cache_resource.clear()


def checked(app):
    assert not app.exception, app.exception[0].stack_trace
    return app


def press(app, key):
    button = app.button(key=key)
    assert not button.disabled, f"{key} is disabled"
    return checked(button.click().run())


def enter(app, key, value):
    """Set the field with this key, whatever it is, and leave it."""
    return checked(app.main.get_by_key(key).set_value(value).run())


def typed(app, key, text):
    """Type into a field that keeps every key, as the browser sends it after a pause."""
    place, version, _ = app.session_state["kept_texts"][key]
    at = app.session_state.get(f"{key}_at", 0) + 1
    value = {"place": place, "version": version, "text": text, "at": at}
    app.session_state[key] = {"typed": value}
    return checked(app.run())


def fields(app):
    """What the fields that keep every key are given to show, by their label."""
    kept = [
        json.loads(node.proto.json)
        for node in app.get("bidi_component")
        if node.proto.component_name == "kept_text"
    ]
    return {one["label"]: one["text"] for one in kept}


def step(app, name):
    return enter(app, "review_step", name)


def settled(app):
    """Run until no background work is left that the page waits for."""
    for _ in range(20):
        active = [job for job in resources.engine().views() if job.active]
        for job in active:
            resources.engine().wait(job.id, timeout=PATIENCE)
        checked(app.run())
        if not active:
            return app
    raise AssertionError("the page did not settle")


def texts(app):
    """What stands on the page, without the backslashes that keep Markdown from reading it."""
    return raw(app).replace("\\", "")


def raw(app):
    """What is given to Markdown, as it is."""
    kinds = (
        app.title, app.header, app.subheader, app.markdown, app.info, app.error, app.caption,
        app.warning, app.success,
    )  # fmt: skip
    return "\n".join(block.value for kind in kinds for block in kind)


def everything(app, *, but=()):
    """All that the browser is told: every element's message, without pixels and programs.

    `but` are labels of expanders to leave out.
    """
    found = []

    def walk(node):
        if getattr(node, "type", "") == "expander" and node.label in but:
            return
        children = getattr(node, "children", None)
        if children is None:
            found.append(_SILENT.sub("", str(node.proto)))
            return
        if node.proto is not None:
            found.append(_SILENT.sub("", str(node.proto)))
        for child in children.values():
            walk(child)

    walk(app.main)
    walk(app.sidebar)
    return "\n".join(found)


def keys(app, start):
    """Keys of the elements that begin so."""
    return [key for node in app.main if (key := getattr(node, "key", None) or "").startswith(start)]
