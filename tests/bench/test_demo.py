import json

import pytest

import hocket
from hocket.bench import demo
from hocket.envs import make_atari
from hocket.envs.null import NullEnv
from hocket.models.impala import parameter_count


def search(monkeypatch, law):
    """The network chosen where a forward pass of width w takes ``law(w)`` ticks, and the widths tried."""
    tried = []

    def measure(width, env):
        tried.append(width)
        return law(width) / demo.HZ

    monkeypatch.setattr(demo, "impala_policy", lambda width, actions: width)
    monkeypatch.setattr(demo, "measure_forward", measure)
    told = []
    network = demo.choose_network(NullEnv(actions=18), told.append)
    assert len(told) == len(tried) <= demo.MOST_TRIES
    assert network.parameters == parameter_count(network.width, 18)
    return network, tried


@pytest.mark.parametrize("exponent", [1.4, 2.0, 2.3])
@pytest.mark.parametrize("width", [0.5, 1.2, 2.6, 5.3, 8.4, 13.0, 40.0])
def test_the_width_settles_in_the_band_on_machines_fast_and_slow(monkeypatch, exponent, width):
    network, _ = search(monkeypatch, lambda w: 0.02 + 1.58 * (w / width) ** exponent)
    low, high = demo.TICKS_PER_FORWARD
    assert low <= network.forward_s * demo.HZ <= high


def test_a_fitting_first_width_is_taken_at_once(monkeypatch):
    network, tried = search(monkeypatch, lambda w: 1.6)
    assert tried == [demo.FIRST_WIDTH] and network.width == demo.FIRST_WIDTH


@pytest.mark.parametrize("ticks", [0.01, 50.0])
def test_a_time_that_no_width_changes_ends_the_search(monkeypatch, ticks):
    network, tried = search(monkeypatch, lambda w: ticks)
    assert len(tried) == demo.MOST_TRIES and all(w > 0 for w in tried)
    assert network.width == demo.FIRST_WIDTH  # of equally bad ones the first


def test_a_noisy_machine_gets_the_nearest_of_the_tries(monkeypatch):
    times = iter([3.0, 1.75, 0.9, 2.5, 1.2])
    network, tried = search(monkeypatch, lambda w: next(times))
    assert network.forward_s * demo.HZ == pytest.approx(1.75) and network.width == tried[1]


@pytest.mark.realtime
def test_a_forward_pass_is_measured_in_a_worker():
    env = make_atari(demo.GAME)
    seconds = demo.measure_forward(demo.impala_policy(1 / 16, 18), env, count=5)
    env.close()
    assert 0 < seconds < 1


class Refusing(hocket.PolicyFactory):
    def build(self):
        return self.refuse

    def refuse(self, observation):
        raise ValueError("no picture")


@pytest.mark.realtime
def test_a_network_that_fails_cannot_be_timed():
    with pytest.raises(hocket.HocketError, match=r"(?s)could not be timed.*no picture"):
        demo.measure_forward(Refusing(), NullEnv())


@pytest.mark.realtime
def test_every_arm_plays_and_is_saved(tmp_path):
    network = demo.Network(width=1 / 16, parameters=60_764, forward_s=0.001)
    results = [(name, demo.play(rule, network, seconds=0.5)) for name, rule in demo.ARMS]
    assert [len(result.record.ticks) for _, result in results] == [30] * 4
    rows = demo.figures(results)
    assert [list(row) for row in rows] == [["rule", "workers", "coverage", "delay_mean", "lateness_p99_s"]] * 4
    assert [row["workers"] for row in rows] == [1, 1, 2, 2]
    assert all(row["coverage"] > 0.3 for row in rows)
    for name, result in results:
        demo.save(name, result, tmp_path)
    picture = demo.compare(results, network, tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    saved = sorted(p.name for p in tmp_path.iterdir())
    assert saved == [
        "lanes.png",
        "one-free-running-worker",
        "report.html",
        "sequential",
        "two-staggered",
        "two-unstaggered",
    ]
    config = json.loads((tmp_path / "two-staggered" / "config.json").read_text())
    assert config["width"] == 1 / 16 and config["rule"]["name"] == "TickDispatch"
