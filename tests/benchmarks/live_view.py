"""What the live view costs: generation with it against generation without, in turns in one run.

    python tests/benchmarks/live_view.py [--model resnet18] [--seconds 10] [--rounds 5] [--browser]

A job through the engine, whose view is read 4 times a second as the page does, against the bare
loop: the ratio of their times per step, from the first step to the last. Loading, preparing and
saving do not count. With `--browser` a headless Chromium watches the demo model's job on the
Generate page: steps per second while it does and while the page is closed, in turns. That browser
computes on the same cores, which a reader's own machine would not; the cost so measured is the
highest that there can be.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # so that it runs without an installation

# ruff: noqa: E402
import torch

import protocore  # noqa: F401 - before torch: it says how torch's threads wait
from protocore.generation.loop import generate
from protocore.generation.settings import Target
from protocore.jobs.engine import JobEngine
from protocore.jobs.generation import KIND, GenerationRequest, _GenerationWork
from protocore.jobs.live_view import thin
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec
from tests.benchmarks.generation_variants import CLASS, PAPER, SIZE, Clock, network

POLLS_PER_SECOND = 4  # as the page's fragment
FEWEST_STEPS = 40
LONG = "20000"  # steps; the job must not end while it is watched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--seconds", type=float, default=10, help="of each run in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--browser", action="store_true", help="watched by a real browser")
    parser.add_argument("--busy", action="store_true", help="one thread, processor time")
    args = parser.parse_args()
    if args.busy:
        args.threads = 1
        Clock.count_processor_time()
    print(f"{args.threads} threads, load before the start {os.getloadavg()[0]:.1f}")
    if args.browser:
        show_browser(args.rounds, args.seconds, args.threads)
    else:
        torch.set_num_threads(args.threads)
        show_live_view(args.model, args.rounds, args.seconds)


def show_live_view(name: str, rounds: int, seconds: float) -> None:
    """Print the cost with a reader that polls as the page does."""
    classifier = in_thread(lambda: Classifier.from_module(network(name), input_size=SIZE))
    steps = max(FEWEST_STEPS, round(seconds / in_thread(lambda: bare_run(classifier, 6))))
    ratios = []
    for turn in range(rounds):  # each of the two goes first as often as the other
        order = (bare_run, job_run) if turn % 2 == 0 else (job_run, bare_run)
        found = {run: in_thread(lambda run=run: run(classifier, steps)) for run in order}
        ratios.append(found[job_run] / found[bare_run])
    report(f"live view, {name}, {steps} steps", ratios)


def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns, in a thread of its own, as jobs run in the app.

    Every thread that computes has helpers of its own, and with more of them than cores they sleep
    at once when they wait: had the main thread computed too, a job would seem a quarter slower.
    """
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(work).result()


def report(what: str, ratios: list[float]) -> None:
    """Print the median cost and how far the rounds differ."""
    costs = [ratio - 1 for ratio in ratios]
    spread = f"{min(costs):+.1%} to {max(costs):+.1%} in {len(costs)} rounds"
    print(f"{what}: {statistics.median(costs):+.1%} time per step ({spread})")


def bare_run(classifier: Classifier, steps: int) -> float:
    """Seconds per step of a run without anything around it, after the first step."""
    generation = generate(classifier, [Target.of(CLASS)], PAPER.replace(steps=steps))
    next(generation)
    start = Clock.now()
    for _ in generation:
        pass
    return (Clock.now() - start) / (steps - 1)


class _TimedWork(_GenerationWork):
    """A job that says how long its steps took, in place of being saved."""

    def _optimise(self, control, run, views) -> None:
        add = run.recording.add

        def first(snapshot) -> None:
            self.started = Clock.now()
            run.recording.add = add
            add(snapshot)

        run.recording.add = first
        super()._optimise(control, run, views)

    def _saved(self, run) -> None:
        return None

    def _save(self, control, saved) -> float:
        return Clock.now() - self.started


def job_run(classifier: Classifier, steps: int) -> float:
    """Seconds per step of the same as a job that is watched."""
    request = GenerationRequest(
        spec=ModelSpec.demo(device="cpu"),
        targets=(Target.of(CLASS),),
        settings=PAPER.replace(steps=steps),
    )
    engine, done = JobEngine(), threading.Event()
    library = Library(tempfile.mkdtemp())
    work = _TimedWork(request, library, classifier, "0" * 16)
    job = engine.submit(kind=KIND, title="", device="cpu", work=work.run, meta={})
    reader = threading.Thread(target=watch, args=(engine, job, done))
    reader.start()
    view = engine.wait(job)
    done.set()
    reader.join()
    engine.close()
    if view.error:
        raise RuntimeError(view.error)
    return view.result / (steps - 1)


def watch(engine: JobEngine, job: str, done: threading.Event) -> None:
    """Read the view as the page does: images to base64, once a second curves to JSON."""
    polls = 0
    while not done.wait(1 / POLLS_PER_SECOND):
        live = engine.view(job).snapshot
        polls += 1
        if live is None:
            continue
        [base64.b64encode(image) for image in live.images]
        if polls % POLLS_PER_SECOND == 0:
            json.dumps([thin(curve) for curve in live.curves])


# --- a real browser ---


def show_browser(rounds: int, seconds: float, threads: int) -> None:
    """Print steps per second of a job while its page is open and while it is closed."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS, Server

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(Path(home))
        server.threads = threads
        server.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        try:
            rates = _watched_and_not(browser, server.url, rounds, seconds)
        finally:
            browser.close()
            server.stop()
    for name, values in rates.items():
        print(f"  {name:9} {statistics.median(values):6.1f} steps per second")
    pairs = zip(rates["unwatched"], rates["watched"], strict=True)
    report("watched by Chromium on the same cores, demo model", [a / b for a, b in pairs])


def _watched_and_not(browser, url: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(120_000)
    page.goto(f"{url}/Generate")
    page.locator(".st-key-generate button:enabled").wait_for()
    page.get_by_role("spinbutton", name=re.compile("Steps")).fill(LONG)
    page.keyboard.press("Enter")
    page.wait_for_timeout(3000)
    page.locator(".st-key-generate button:enabled").click()
    page.get_by_text("optimising").first.wait_for()
    link = page.url
    rates: dict[str, list[float]] = {"watched": [], "unwatched": []}
    for _ in range(rounds):
        rates["watched"].append(_rate(page, lambda: page.wait_for_timeout(1000 * seconds)))
        rates["unwatched"].append(_rate(page, lambda: _leave(page, link, seconds)))
    return rates


def _rate(page, pass_time: Callable[[], None]) -> float:
    before, start = _step(page), time.perf_counter()
    pass_time()
    return (_step(page) - before) / (time.perf_counter() - start)


def _leave(page, link: str, seconds: float) -> None:
    page.goto("about:blank")
    page.wait_for_timeout(1000 * seconds)
    page.goto(link)


def _step(page) -> int:
    shown = page.get_by_text(re.compile(r"step \d+ of \d+")).first.inner_text()
    return int(re.search(r"step (\d+) of", shown)[1])


if __name__ == "__main__":
    main()
