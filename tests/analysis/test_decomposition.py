import signal

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.analysis import Estimate
from hocket.analysis.decomposition import At
from hocket.envs import make_env
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.results.metrics import Metrics
from hocket.running.setup import set_up
from hocket.theory import InducedDelayedSemiMDP, TabularEnv, default_of, random_mdp, ring


def at(ticks, hz=10):
    return hocket.Virtual(hz=hz, latency=hocket.Constant((ticks - 0.5) / hz))


def same(observation):
    return int(observation[0])


def balanced(o):
    return int(o[2] + 0.3 * o[3] + 0.02 * o[0] + 0.05 * o[1] > 0)


def test_a_ring_without_chance_by_hand():
    # Always in time: right at every tick. Two ticks late: the state is one step on, so never right.
    found = hocket.decompose(lambda: TabularEnv(ring(4, 1.0)), same, hocket.TickDispatch(2), at(2), ticks=400, runs=5)
    lost = found.per_tick
    assert found.coverage == pytest.approx(1, abs=0.01) and found.delay_mean == 2
    assert lost.free.mean == 1 and lost.undelayed.mean > 0.99 and lost.achieved.mean < 0.01
    assert lost.delay_regret.mean > 0.99 and 0 <= lost.inaction_regret.mean < 0.01
    assert found.per_episode is None


def test_a_delay_may_gain():
    # One step ahead of the state: wrong in time, right a tick late.
    found = hocket.decompose(
        lambda: TabularEnv(ring(4, 1.0)), lambda o: (same(o) + 1) % 4, hocket.TickDispatch(2), at(2), ticks=400, runs=5
    )
    assert found.per_tick.delay_regret.mean < -0.98 and found.per_tick.delay_regret.high < -0.9


@pytest.mark.slow
@pytest.mark.parametrize("rule", [hocket.Sequential(), hocket.TickDispatch(3)], ids=["sequential", "staggered"])
def test_estimates_agree_with_the_exact_theory(rule):
    world, table = random_mdp(5, 3, 7), np.array([2, 0, 1, 1, 2])
    interval = 3 if isinstance(rule, hocket.Sequential) else 1
    exact = [
        InducedDelayedSemiMDP(world, i, d).average_of(table if d <= i else _blind(table, world.actions, d - 1))
        for i, d in ((1, 1), (interval, 1), (interval, 3))
    ]
    found = hocket.decompose(
        lambda: TabularEnv(world),
        lambda o: int(table[o[0]]),
        rule,
        at(3),
        ticks=4000,
        runs=12,
        default=default_of(world),
    ).per_tick
    for estimate, value in zip((found.free, found.undelayed, found.achieved), exact, strict=True):
        error = (estimate.high - estimate.low) / 3.92
        assert abs(estimate.mean - value) <= 4 * error + 0.001
    assert found.realtime_regret.mean == pytest.approx(found.inaction_regret.mean + found.delay_regret.mean)


def _blind(table, actions, pending):
    """The same decision for any pending actions."""
    return np.broadcast_to(table.reshape(-1, *(1,) * pending), (len(table), *(actions,) * pending)).copy()


@pytest.mark.slow
def test_losses_per_episode():
    # A late push loses a cart's balance, though every tick pays 1.
    found = hocket.decompose(lambda: make_env("CartPole-v1"), balanced, hocket.Sequential(), at(3, 50), runs=5)
    assert found.per_tick.realtime_regret.mean == 0
    assert found.per_episode.free.mean == 500 and found.per_episode.achieved.mean < 20
    assert found.per_episode.inaction_regret.mean > 400
    assert "reward an episode" in str(found) and "lost to inaction" in str(found)


def test_chance_is_the_same_in_all_three():
    seeds = []

    class Watched(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            seeds.append(seed)
            return super().reset(seed=seed, options=options)

    hocket.decompose(
        lambda: Watched(make_env("CartPole-v1")), lambda o: 1, hocket.Sequential(), at(2, 50), ticks=100, runs=5
    )
    starts = [i for i, seed in enumerate(seeds) if seed == seeds[0]]
    assert len(starts) == 3  # each of the three starts the first run alike
    episodes = [seeds[a:b] for a, b in zip(starts, [*starts[1:], starts[2] + 3], strict=True)]
    for some in episodes:
        shared = min(len(some), len(episodes[0]))
        assert some[:shared][:3] == episodes[0][:shared][:3] and len(set(some[:3])) == len(some[:3])


@pytest.mark.slow
def test_instant_inference_loses_nothing():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.001))
    found = hocket.decompose(lambda: make_env("Pendulum-v1"), lambda o: [o[1]], hocket.TickDispatch(1), clock, runs=5)
    assert found.per_tick.realtime_regret.mean == 0 and found.coverage == 1
    assert found.per_episode.realtime_regret.mean == 0


def test_of_a_chunk_the_first_action_is_prompt():
    world = ring(4, 1.0)
    policy = hocket.FunctionPolicy(lambda o: [(same(o) + step) % 4 for step in range(3)], chunk_length=3)
    found = hocket.decompose(lambda: TabularEnv(world), policy, hocket.TickDispatch(1), at(2), ticks=100, runs=5)
    assert found.per_tick.free.mean == 1 and 0 < found.coverage < 1
    # Fresh at the same ticks; of the others some are right by chance.
    assert found.per_tick.undelayed.mean >= found.coverage


def test_chunks_that_are_told_their_prefix():
    def conditioned(observation, pending_actions, delay):
        assert pending_actions.shape == (2,) and delay.shape == (1,)
        return [same(observation)] * 3

    policy = hocket.FunctionPolicy(conditioned, chunk_length=3, pending=2, delay_told=True)
    found = hocket.decompose(lambda: TabularEnv(ring(4, 1.0)), policy, hocket.TickDispatch(1), at(2), ticks=50, runs=5)
    assert found.per_tick.free.mean == 1


def test_a_head_on_a_chunk():
    def head(plan, pending_actions, newest, delay):
        return same(newest)

    chunks = hocket.FunctionPolicy(lambda observation: [0, 0, 0, 0], chunk_length=4)
    policy = hocket.TwoStage(chunks, head, pending=2, newest=True, delay_told=True)
    found = hocket.decompose(lambda: TabularEnv(ring(4, 1.0)), policy, hocket.TickDispatch(2), at(2), ticks=50, runs=5)
    assert found.per_tick.free.mean == 1 and found.per_tick.undelayed.mean > 0.97


def test_pending_actions():
    def wary(observation, pending_actions):
        assert pending_actions.shape == (2,)
        return same(observation)

    policy = hocket.FunctionPolicy(wary, pending=2)
    found = hocket.decompose(lambda: TabularEnv(ring(4, 1.0)), policy, hocket.TickDispatch(2), at(2), ticks=100, runs=5)
    assert found.per_tick.free.mean == 1


def test_two_stages():
    policy = hocket.TwoStage(same, lambda features: features, head_s=0.01)
    found = hocket.decompose(lambda: TabularEnv(ring(4, 1.0)), policy, hocket.TickDispatch(3), at(2), ticks=200, runs=5)
    assert found.per_tick.free.mean == 1 and found.per_tick.undelayed.mean > 0.97


def test_the_rule_acts_at_its_ticks():
    env, ticks = TabularEnv(ring(4, 0.5)), (2, 3, 7, 20)
    checked = set_up(env, same, At(ticks), hocket.Virtual(hz=10, latency=hocket.Constant(0.0)), ticks=20)
    ran = Metrics(checked.clock.run(checked.setup(), ticks=20)).ticks
    assert ran.tick[ran.fresh].tolist() == list(ticks) and set(ran.delay_ticks[ran.fresh]) == {1}


def lands_late(lengths):
    """A world that pays 1 a tick; its k-th episode lasts ``lengths[k % len(lengths)]`` ticks."""

    class World(NullEnv):
        def __init__(self):
            super().__init__()
            self.number, self.left = -1, 0

        def reset(self, *, seed=None, options=None):
            self.number += 1
            self.left = lengths[self.number % len(lengths)]
            return super().reset(seed=seed, options=options)

        def step(self, action):
            self.left -= 1
            observation, _, _, _, info = super().step(action)
            return observation, 1.0, self.left == 0, False, info

    return World


def prompt_losses(make, ticks, runs=5, **more):
    return hocket.decompose(make, lambda o: 0, hocket.TickDispatch(1), at(1), ticks=ticks, runs=runs, **more)


def test_only_episodes_that_ended_count():
    # 3 + 3 ticks have ended by tick 8. The third began by then, so it is played to its end; a fourth would be too late.
    found = prompt_losses(lands_late([3]), ticks=8)
    assert found.episodes == (15, 15, 15) and found.unfinished == 0
    assert found.per_episode.free.mean == found.per_episode.achieved.mean == 3
    assert found.per_tick.free.mean == 1 and found.ticks == 8


def test_an_episode_that_does_not_end_is_left_out_and_said():
    # 2 ticks, then 1000: eight more ticks are not enough.
    found = prompt_losses(lands_late([2, 1000]), ticks=8)
    assert found.episodes == (5, 5, 5) and found.unfinished == 15
    assert found.per_episode.free.mean == 2
    assert "Left out: 15 episodes" in str(found)


def test_without_an_end_there_are_no_figures_by_episode():
    found = prompt_losses(lands_late([1000]), ticks=8)
    assert found.per_episode is None and "No figures an episode" in str(found)


@pytest.mark.slow
def test_a_cart_cannot_exceed_its_limit():
    # 700 ticks are one episode of 500 and a part of the next, which is played to its end.
    found = hocket.decompose(
        lambda: make_env("CartPole-v1"), balanced, hocket.TickDispatch(1), at(1, 50), ticks=700, runs=5
    )
    assert found.per_episode.free.mean == 500 and found.episodes == (10, 10, 10)
    assert found.per_episode.achieved.mean <= 500
    # Ten episodes that were alike do not prove that no other falls short: 0.05^(1/10) = 0.741.
    assert found.per_episode.free.low == pytest.approx(500 * 0.741, abs=0.1)
    assert found.per_episode.free.high == 500
    # But the three took the same actions at every tick.
    assert found.per_episode.realtime_regret == found.per_tick.realtime_regret == Estimate(0, 0, 0)
    assert "Every tick paid +1" in str(found)


def climbing(o):
    return 2 if o[1] > 0 else 0


def across_the_lake(o):
    return (0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0)[int(np.argmax(o))]


def leaning(o):
    return int(o[2] > 0)


# The policy, the ticks of a run, and the episodes that give the environment's own mean reward.
WORLDS = {
    "CartPole-v1": (leaning, 100, 4000),
    "MountainCar-v0": (climbing, 200, 1000),
    "FrozenLake-v1": (across_the_lake, 100, 8000),
}


def world(name):
    env = gym.make(name)
    return gym.wrappers.FlattenObservation(env) if name == "FrozenLake-v1" else env


def own_reward(env, policy, episodes):
    """The mean reward of an episode, played step by step."""
    total = 0.0
    for seed in range(episodes):
        observation, _ = env.reset(seed=10**6 + seed)
        over = False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            total += reward
            over = terminated or truncated
    return total / episodes


@pytest.mark.training
@pytest.mark.parametrize("name", WORLDS)
def test_the_interval_of_an_episode_holds_the_truth_in_93_of_100(name):
    policy, ticks, episodes = WORLDS[name]
    assert held_of_100(lambda: world(name), policy, ticks, own_reward(world(name), policy, episodes)) >= 93


class ByDice(NullEnv):
    """Pays 1 a tick; its episodes last 3 to 9 ticks, at random: 6 on average."""

    def reset(self, *, seed=None, options=None):
        started = super().reset(seed=seed)
        self.left = int(self.np_random.integers(3, 10))
        return started

    def step(self, action):
        self.left -= 1
        observation, _, _, _, info = super().step(action)
        return observation, 1.0, self.left == 0, False, info


@pytest.mark.slow
def test_the_interval_of_an_episode_holds_an_exact_truth_in_93_of_100():
    assert held_of_100(ByDice, lambda o: 0, 40, 6.0) >= 93


def held_of_100(make_world, policy, ticks, truth):
    """The number of 100 intervals of an episode's reward that hold it."""
    held = 0
    for number in range(100):
        found = hocket.decompose(
            make_world, policy, hocket.Sequential(), at(2, 50), ticks=ticks, runs=5, seed=100 * number
        )
        held += found.per_episode.free.low <= truth <= found.per_episode.free.high
        assert found.unfinished == 0
    return held


def test_few_runs_are_refused_with_the_reason():
    with pytest.raises(ConfigurationError, match="runs=2 must be a whole number from 5; try 20"):
        prompt_losses(lands_late([3]), ticks=8, runs=2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"clock": hocket.Realtime(hz=60)}, "cannot repeat a run"),
        ({"runs": 4}, "runs=4"),
        ({"ticks": 0}, "ticks=0"),
    ],
)
def test_mismatches_are_refused(more, words):
    options = {"rule": hocket.Sequential(), "clock": at(2), **more}
    with pytest.raises(ConfigurationError, match=words):
        hocket.decompose(lambda: TabularEnv(ring(3, 1.0)), same, **options)


@pytest.mark.parametrize("finished", [0, 1, 4, 5, 6])
@pytest.mark.parametrize("ends", ["signal", "error"])
def test_whatever_ends_it_keeps_the_finished_runs(finished, ends):
    class Ending(gym.Wrapper):
        resets = 0

        def reset(self, **options):
            self.resets += 1
            if self.resets == 3 * finished + 2:  # in the second of the next three
                if ends == "error":
                    raise RuntimeError("unplugged")
                signal.raise_signal(signal.SIGTERM)
            return super().reset(**options)

    def found(make_env, runs):
        return hocket.decompose(make_env, same, hocket.TickDispatch(2), at(2), ticks=50, runs=runs)

    with pytest.raises(KeyboardInterrupt if ends == "signal" else RuntimeError) as caught:
        found(lambda: Ending(TabularEnv(ring(4, 1.0))), 7)
    if ends == "signal":
        assert caught.value.signal is signal.SIGTERM
    kept = getattr(caught.value, "result", None)
    assert kept == (found(lambda: TabularEnv(ring(4, 1.0)), finished) if finished > 4 else None)
