"""The rate and the time left of a job, against steps taken by hand."""

import pytest

from protocore.jobs.pace import FEWEST_STEPS, MOST_SAMPLES, Pace


def paced(times):
    """A pace whose steps 1, 2, ... were taken at these seconds."""
    pace = Pace()
    for done, seconds in enumerate(times, start=1):
        pace.add(seconds, done)
    return pace


def test_even_steps_give_their_rate_and_the_time_that_is_left():
    pace = paced([0.5 * step for step in range(1, 41)])
    assert pace.rate == pytest.approx(2.0)
    assert pace.seconds_left(100) == pytest.approx(30.0)


def test_no_time_left_is_given_in_the_first_steps():
    times = [float(step) for step in range(1, FEWEST_STEPS + 2)]
    assert paced(times[:-1]).seconds_left(100) is None
    assert paced(times).seconds_left(100) is not None


def test_a_slow_start_and_a_hiccup_do_not_move_it():
    times, now = [], 60.0  # a minute until the first step
    for step in range(60):
        now += 20.0 if step == 45 else 1.0
        times.append(now)
    assert paced(times).seconds_left(160) == pytest.approx(100.0)


def test_a_lasting_change_of_speed_is_followed():
    fast = [0.2 * step for step in range(1, 51)]
    slow = [10 + 2.0 * step for step in range(1, 61)]
    assert paced(fast + slow).rate == pytest.approx(0.5, rel=0.1)


def test_a_step_back_starts_a_new_measurement():
    pace = paced([float(step) for step in range(1, 21)])
    pace.add(21.0, 1)  # the next stage
    assert pace.rate is None and pace.seconds_left(50) is None


def test_a_long_run_keeps_few_samples_and_its_rate():
    pace = paced([0.05 * step for step in range(1, 20_001)])
    assert len(pace._samples) <= MOST_SAMPLES
    assert pace.rate == pytest.approx(20.0, rel=0.05)


def test_a_run_that_is_resumed_counts_its_own_steps_alone():
    pace = Pace()
    for step in range(20):
        pace.add(float(step), 1000 + step)
    assert pace.seconds_left(1039) == pytest.approx(20.0)
