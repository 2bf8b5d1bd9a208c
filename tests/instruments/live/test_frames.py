import math

import gymnasium as gym
import numpy as np
import pytest
from viewers import COLUMNS, take_apart

import hocket
from hocket.instruments.live.board import LiveBoard
from hocket.instruments.live.frames import Viewer, frame

ABOUT = {"name": "Painted", "hz": 50.0, "realtime": True}


@pytest.fixture
def board():
    board = LiveBoard()
    yield board
    board.close()


def tick(number, **more):
    known = {"tick": number, "lateness_s": 1e-4, "delay_ticks": 2, "inference": number, "reward": 1.0, "ended": 0}
    return tuple({**known, "jump": 0.5, **more}.values())


def seen(board, viewer, now_ns=0):
    return take_apart(frame(board, viewer, now_ns))


def test_a_run_from_its_beginning(board):
    viewer = Viewer()
    header, sections = seen(board, viewer)
    assert (header["run"], header["phase"], header["about"], sections) == (0, "idle", {}, {})
    board.begin(ABOUT)
    board.set_epoch(1_000_000_000)
    board.rings["ticks"].append(tick(1))
    board.rings["inferences"].append((0, 1, 2, 3, 0.5, math.nan, -1, math.nan, -1))
    board.pictures.append(np.zeros((9, 9), np.uint8), tick=1, rendered=False)
    assert not viewer.is_up_to_date(board)
    header, sections = seen(board, viewer, 3_500_000_000)
    assert (header["run"], header["phase"], header["about"], header["now_s"]) == (1, "running", ABOUT, 2.5)
    assert header["columns"] == COLUMNS
    assert [sections["ticks"][name][0] for name in COLUMNS["ticks"]] == list(tick(1))
    assert sections["inferences"]["worker"].tolist() == [1] and np.isnan(sections["inferences"]["finished_s"][0])
    picture = sections["picture"]
    assert (picture["kind"], picture["height"], picture["width"], picture["bytes"]) == ("grey", 9, 9, 81)
    assert viewer.is_up_to_date(board)
    header, sections = seen(board, viewer)
    assert "about" not in header and sections == {}
    board.end()
    assert not viewer.is_up_to_date(board)
    header, _ = seen(board, viewer)
    assert header["phase"] == "ended" and "now_s" not in header


def test_a_late_viewer_sees_the_last_minute(board):
    board.begin(ABOUT)
    for number in range(1, 10_001):
        board.rings["ticks"].append(tick(number))
        board.rings["inferences"].append((number, 0, number, -1, 0, 0, -1, 0, -1))
    board.totals["tick"] = 10_000
    _, sections = seen(board, Viewer())
    assert sections["ticks"]["tick"].tolist() == list(range(10_000 - 61 * 50, 10_001))
    assert sections["inferences"]["number"][0] == 10_000 - 61 * 50


def test_the_next_run_is_shown_from_its_own_beginning(board):
    viewer = Viewer()
    board.begin(ABOUT)
    board.rings["ticks"].append(tick(1))
    seen(board, viewer)
    board.begin({**ABOUT, "name": "Second", "realtime": False})
    board.rings["ticks"].append(tick(5))
    header, sections = seen(board, viewer)
    assert header["about"]["name"] == "Second" and sections["ticks"]["tick"].tolist() == [5]
    assert "now_s" not in header, "virtual time stands at its last tick"


def test_a_run_that_is_just_changing_is_not_shown(board):
    board.begin(ABOUT)
    board._state["run"] = -1
    assert frame(board, Viewer(), 0) is None


def test_totals_by_hand(board):
    board.begin(ABOUT)
    header, _ = seen(board, Viewer())
    nothing = {"coverage", "delay_mean", "return_mean", "lateness_p50_s", "lateness_p99_s"}
    assert {name for name, value in header["totals"].items() if value is None} == nothing
    for name, value in {
        "tick": 110,
        "elapsed": 100,  # resumed at tick 10
        "ticks": 96,
        "fresh": 80,
        "delay_ticks": 200,
        "episodes": 4,
        "returns": 10.0,
        "reward": math.inf,
        "dropped": 3,
    }.items():
        board.totals[name] = value
    totals = seen(board, Viewer())[0]["totals"]
    assert (totals["tick"], totals["missed"], totals["coverage"], totals["delay_mean"]) == (110, 4, 0.8, 2.5)
    assert (totals["episodes"], totals["return_mean"], totals["reward_total"]) == (4, 2.5, None)
    assert totals["outcomes"]["dropped"] == 3 and sum(totals["outcomes"].values()) == 3


def test_the_jumps_are_those_of_the_metrics():
    """Chunks of 8 under one worker, episodes of 40 ticks."""

    class Moments(hocket.Instrument):
        def __init__(self):
            self.seen = []

        def on_tick(self, moment):
            self.seen.append(moment)

    moments, page = Moments(), hocket.LivePage(0)
    env = gym.wrappers.TimeLimit(gym.make("Pendulum-v1"), 40)
    policy = hocket.FunctionPolicy(lambda observation: np.tile(observation[:1], (8, 1)), chunk_length=8)
    clock = hocket.Virtual(hz=50, latency=hocket.LogNormal(0.06, 0.4))
    result = hocket.run(env, policy, hocket.Unstaggered(1), clock, ticks=200, instruments=[moments])
    jumps = np.array([page._jump(moment) for moment in moments.seen])
    page.close()
    seams = result.metrics().seams
    assert len(seams.tick) > 20
    assert np.flatnonzero(np.isfinite(jumps)).tolist() == (seams.tick - 1).tolist()
    assert jumps[seams.tick - 1].tolist() == seams.jump.tolist()
