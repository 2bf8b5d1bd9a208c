"""``hocket train --head``: what a trained network's head is told, and why."""

import json
from dataclasses import replace

import pytest
from command_output import read, refused

import hocket
from hocket.cli.options import head as of_head
from hocket.cli.options.head import arranged
from hocket.cli.options.train import TrainArguments, make_algorithm, make_network
from hocket.errors import ConfigurationError

pytestmark = pytest.mark.slow  # they train

POLE = ("train", "--env", "CartPole-v1", "--clock", "virtual", "--hz", "50", "--width", "0.2", "--batch-size", "8")
QUICK = (*POLE, "--warm-up", "50", "--evaluation-episodes", "1", "--ticks", "150", "--capacity", "300")
SLOW = ("--latency", "0.055", "--workers", "3")


def options(**given):
    return replace(TrainArguments(env="CartPole-v1", clock="virtual", latency="0.055", hz=50.0), **given)


def arrange(law=None, hz=50, **given):
    mine = options(**given)
    return arranged(mine, make_algorithm(mine), hz=hz, law=law or hocket.Constant(0.055))


@pytest.mark.parametrize(
    ("law", "head", "pending"),
    [
        (hocket.Constant(0.0199), "none", 0),  # a tick is 20 ms
        (hocket.Constant(0.02), "none", 0),
        (hocket.Constant(0.0201), "newest", 1),
        (hocket.Constant(0.055), "newest", 2),
        (hocket.Constant(0.06), "newest", 3),  # with the head's millisecond it takes 4 ticks
        (hocket.LogNormal(0.018, 0.4), "newest", 1),  # the 95 % quantile is 32 ms
    ],
)
def test_the_newest_observation_at_a_delay_above_1_tick(law, head, pending):
    made = arrange(law)
    chosen = made.options
    assert (chosen.head, chosen.pending) == (head, pending)
    assert chosen.newest_units == (32 if head == "newest" else None)
    assert "(by --latency)" in made.why and f"{head}: " in str(made)


def test_the_classical_loop_stays_what_it_is():
    made = arrange(rule="sequential")
    assert (made.options.head, made.options.pending) == ("none", 0)
    assert "the classical loop is left as it is" in str(made)
    assert arrange(rule="sequential", head="newest").options.head == "newest"


@pytest.mark.parametrize(
    ("given", "head", "pending"),
    [
        ({"head": "none"}, "none", 0),
        ({"head": "none", "pending": 3}, "none", 3),
        ({"head": "actions"}, "actions", 2),
        ({"head": "actions", "pending": 5}, "actions", 5),
        ({"head": "newest", "pending": 0}, "newest", 0),
        ({"pending": 1}, "newest", 1),
    ],
)
def test_what_is_given_counts(given, head, pending):
    made = arrange(**given)
    assert (made.options.head, made.options.pending) == (head, pending)
    network = make_network(made.options, make_algorithm(made.options))
    assert network.pending == pending and (network.newest is not None) == (head == "newest")


def test_no_action_is_pending_at_a_delay_of_1():
    with pytest.raises(hocket.HocketError, match=r"--head actions: an inference takes 5 ms .* no action is pending"):
        arrange(hocket.Constant(0.005), head="actions")
    assert arrange(hocket.Constant(0.005), head="newest").options.pending == 0


def test_in_realtime_the_network_is_measured(monkeypatch):
    """The trunk decides, and the encoder gets as many units as end within half of the head's time."""
    heads = {32: 0.003, 16: 0.0026, 8: 0.0024}
    monkeypatch.setattr("hocket.training.head_time.trunk_time_s", lambda network, example: 0.033)
    monkeypatch.setattr(
        "hocket.training.head_time.head_time_s", lambda network, example: heads[network.newest[-2].out_features]
    )
    mine = options(clock="realtime", latency=None)
    made = arranged(mine, make_algorithm(mine), hz=50, law=None)
    # Heads have a quarter of a tick, 5 ms; 33 + 5 ms are 2 ticks.
    assert (made.options.head, made.options.pending, made.options.newest_units) == ("newest", 1, 8)
    assert "an inference takes 33 ms (measured here), a delay of 2 at 50 Hz" in str(made)
    heads[32] = 0.0025
    assert arranged(mine, make_algorithm(mine), hz=50, law=None).options.newest_units == 32
    heads.update(dict.fromkeys(heads, 1.0))
    assert arranged(mine, make_algorithm(mine), hz=50, law=None).options.newest_units == of_head.UNITS[-1]
    monkeypatch.setattr("hocket.training.head_time.trunk_time_s", lambda network, example: 0.0199)
    assert arranged(mine, make_algorithm(mine), hz=50, law=None).options.head == "none"


def test_the_summary_says_which_and_why(command):
    code, out, err = command(*QUICK, *SLOW, "--json", "x.json")
    assert (code, err) == (0, "")
    why = (
        "newest: late binding, told the 2 actions executed since and the newest observation; an inference takes 55 ms "
        "(by --latency), a delay of 3 at 50 Hz"
    )
    assert f"head        {why}" in out
    figures = read("x.json")
    assert (figures["head"], figures["head_why"]) == ("newest", why)
    assert figures["run"]["binds"] > 20 and figures["run"]["delay_mean"] == 3
    assert command(*QUICK, "--latency", "0.01", "--json", "x.json")[0] == 0
    assert read("x.json")["head"] == "none" and read("x.json")["run"]["binds"] == 0
    assert command(*QUICK, *SLOW, "--head", "none", "--json", "x.json")[0] == 0
    assert read("x.json")["head_why"] == "none: the network runs in one stage; as given"


def test_a_resumed_training_keeps_what_was_chosen(command, tmp_path):
    assert command(*QUICK, *SLOW, "--out", "a", "--save-every", "100", "--epsilon-ticks", "80")[0] == 0
    for config in ("a/config.json", "a/run-000000000/config.json"):
        saved = json.loads((tmp_path / config).read_text())["options"]
        assert (saved["head"], saved["pending"], saved["newest_units"]) == ("newest", 2, 32)
    # Typed anew, but for what was chosen; of another choice the weights do not fit.
    more = ("--resume", "a", "--ticks", "250", "--epsilon-ticks", "80", "--out", "a")
    assert command(*QUICK, *SLOW, *more)[0] == 0
    refused(command(*QUICK, *SLOW, "--head", "actions", *more[:-2]), "belongs to another run")


def test_a_word_that_is_none_of_them_is_refused(command):
    refused(command(*QUICK, *SLOW, "--head", "newer"), "newer")
    refused(command(*QUICK, *SLOW, "--newest-units", "0"), "--newest-units 0 must be at least 1")


@pytest.mark.parametrize(
    ("given", "beside"),
    [
        ({"head": "none"}, "--head none"),
        ({"head": "actions"}, "--head actions"),
        ({"rule": "sequential"}, "--rule sequential, whose network runs in one stage"),
    ],
)
def test_units_of_an_encoder_that_there_is_not_are_refused(given, beside):
    with pytest.raises(ConfigurationError, match=f"^--newest-units 8 has no effect with {beside}; leave it out"):
        arrange(newest_units=8, **given)
    assert arrange(newest_units=8, **given | {"head": "newest"}).options.newest_units == 8
