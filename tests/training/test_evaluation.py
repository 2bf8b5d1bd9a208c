"""Evaluations: their weights, their length, and switching them off."""

import math
import os
import signal

import gymnasium as gym
import numpy as np
import pytest
import torch
from recording_instruments import Notes
from safetensors.torch import load_file

import hocket
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import EvaluationProgress
from hocket.learn.algorithms.dqn import DQN
from hocket.models.qnetwork import mlp_trunk, q_network
from hocket.training import evaluation as module


class Paying(gym.Env):
    """Pays 1 a tick. Episodes of ``length`` ticks, or none that end."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length=None):
        self._length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks = 0
        return self.np_random.random(3, np.float32), {}

    def step(self, action):
        self._ticks += 1
        return self.np_random.random(3, np.float32), 1.0, False, self._ticks == self._length, {}


def train(make_env=lambda: Paying(10), *, ticks=100, clock=None, warm_up_ticks=20, **options):
    torch.manual_seed(0)
    return hocket.train(
        make_env,
        q_network(*mlp_trunk(3, hidden=4), 2),
        DQN(batch_size=4),
        hocket.TickDispatch(1),
        clock or hocket.Virtual(hz=50, latency=hocket.Constant(0.01)),
        ticks=ticks,
        **{"learner": hocket.RoundRobin(1, warm_up_ticks=warm_up_ticks), **options},
    )


def test_the_weights_of_the_end_are_evaluated_too():
    result = train(ticks=250, evaluation=hocket.EvaluationOptions(every_ticks=100, episodes=2))
    assert [each.tick for each in result.evaluations] == [0, 100, 200, 250]
    assert result.final.tick == 100  # all returns are 10: the first of equals stays, but for that of the beginning


def test_a_training_shorter_than_the_interval_is_evaluated_at_its_end():
    result = train(ticks=60, evaluation=hocket.EvaluationOptions(episodes=3))
    assert [(each.tick, each.returns.tolist()) for each in result.evaluations] == [
        (0, [10, 10, 10]),
        (60, [10, 10, 10]),
    ]
    assert result.final.tick == 60
    assert str(result.final) == "mean return 10 over 3 episodes, by the weights of tick 60"


class Rising:
    """Stands in for an evaluator: the mean return is given by tick, NaN included."""

    def __init__(self, means):
        self.means = means

    def play(self, tick, number):
        return module.Evaluation(tick, np.array([self.means[tick]]))


class Learning:
    """A listener whose network is its last tick."""

    def __init__(self):
        self.network = torch.nn.Linear(1, 1)

    def ticked(self, moment):
        torch.nn.init.constant_(self.network.weight, moment.tick)


@pytest.mark.parametrize(
    ("means", "best"),
    [
        ({2: 5.0, 4: 3.0, 5: 9.0}, 5),  # only the end is better
        ({2: 5.0, 4: 3.0, 5: 4.0}, 2),
        ({2: math.nan, 4: 3.0, 5: 1.0}, 4),  # NaN is never the best
        ({2: math.nan, 4: math.nan, 5: math.nan}, 5),  # then the newest weights stay
        ({0: 6.0, 2: 5.0, 4: 3.0, 5: 5.9}, 0),  # it began with better ones than it ever found
        ({0: 6.0, 2: 5.0, 4: 6.0, 5: 6.0}, 4),  # as good is enough
        ({0: math.nan, 2: 5.0, 4: 3.0, 5: 4.0}, 2),
    ],
)
def test_the_weights_returned_are_the_best_that_were_evaluated(means, best):
    learning = Learning()
    torch.nn.init.zeros_(learning.network.weight)
    judge = module.Judge(learning, network=learning.network, evaluator=Rising(means), every=2)
    if 0 in means:
        judge.evaluate_if_due()
    for tick in range(1, 6):
        judge.ticked(type("Moment", (), {"tick": tick}))
    judge.conclude()
    final = judge.final()
    assert learning.network.weight.item() == final.tick == best
    assert [each.tick for each in judge.evaluations] == sorted(means)


def test_episodes_that_never_end_are_cut():
    options = hocket.EvaluationOptions(every_ticks=80, episodes=5, max_ticks=30)
    result = train(Paying, ticks=100, evaluation=options)
    assert [(each.tick, each.returns.tolist(), each.cut) for each in result.evaluations] == [
        (0, [30], True),
        (80, [30], True),
        (100, [30], True),
    ]
    assert str(result.final) == "mean return 30 over 1 episode, by the weights of tick 80, ended by its limit in ticks"


@pytest.mark.parametrize("options", [{}, {"every_ticks": 50, "episodes": 1}])
def test_by_default_an_evaluation_of_a_short_training_is_short(options):
    result = train(Paying, ticks=50, evaluation=hocket.EvaluationOptions(**options))
    assert [each.returns.tolist() for each in (*result.evaluations, result.final)] == [[600]] * 3


def test_whole_episodes_count_where_there_are_some():
    options = hocket.EvaluationOptions(episodes=5, max_ticks=25)
    final = train(ticks=100, evaluation=options).final
    assert final.returns.tolist() == [10, 10] and final.cut


@pytest.mark.filterwarnings("ignore:nothing was learned")  # of a busy machine
@pytest.mark.parametrize(
    "clock", [None, pytest.param(hocket.Realtime(hz=200, executor="threads"), marks=pytest.mark.realtime)]
)
def test_evaluations_can_be_switched_off(clock):
    made = []

    def make():
        made.append(Paying(10))
        return made[-1]

    result = train(make, ticks=60, clock=clock, evaluation=hocket.EvaluationOptions(episodes=0))
    assert len(made) == 1 and result.evaluations == []
    assert result.final.tick == 60 and len(result.final.returns) == 0 and math.isnan(result.final.mean)
    assert str(result.final) == "none: switched off by 0 episodes"


class Watching(Notes):
    def __init__(self):
        super().__init__()
        self.evaluating = []

    def on_evaluation_progress(self, progress):
        self.evaluating.append(progress)


def test_instruments_get_each_evaluation(monkeypatch):
    monkeypatch.setattr(module, "PROGRESS_S", 0.0)
    watching = Watching()
    options = hocket.EvaluationOptions(episodes=2, max_ticks=500)
    train(ticks=40, evaluation=options, instruments=[watching])
    assert len(watching.evaluating) == 3 * 20  # those of the beginning and the end, and the final one, tick by tick
    assert watching.evaluating[20] == EvaluationProgress(
        tick=40, episodes=0, ticks=1, episodes_wanted=2, tick_limit=500
    )
    assert (watching.evaluating[39].episodes, watching.evaluating[39].ticks) == (2, 20)
    assert watching.evaluations == [(0, 10.0), (40, 10.0)]


def stopping(at, number=signal.SIGINT):
    """Sends ``number`` twice in the first environment that is made once the training has played ``at`` ticks."""
    made = []

    class Stopping(Paying):
        total, stops = 0, False

        def step(self, action):
            self.total += 1
            if self.stops and self.total == 5:
                for _ in range(2):
                    os.kill(os.getpid(), number)
            return super().step(action)

    def make():
        made.append(Stopping(10))
        made[-1].stops = made[0].total == at
        return made[-1]

    return make


def came_to(result):
    weights = [value.numpy().tobytes() for value in result.network.state_dict().values()]
    evaluations = [(each.tick, each.returns.tolist()) for each in (*result.evaluations, result.final)]
    return result.run.record.actions, list(result.losses), evaluations, weights


@pytest.mark.slow
def test_an_evaluation_that_is_interrupted_is_made_anew_when_the_training_resumes(tmp_path):
    options = hocket.EvaluationOptions(every_ticks=50, episodes=2)
    with pytest.raises(hocket.RunInterrupted) as info:
        train(stopping(50), ticks=120, evaluation=options, checkpoints=hocket.Checkpoints(tmp_path))
    assert len(info.value.result.run.record.ticks) == 50
    assert [path.name for path in tmp_path.iterdir()] == ["000000050"]
    resumed = train(stopping(-1), ticks=120, evaluation=options, resume=tmp_path)
    assert came_to(resumed) == came_to(train(stopping(-1), ticks=120, evaluation=options))
    assert [each.tick for each in resumed.evaluations] == [0, 50, 100, 120]


def test_a_training_that_is_interrupted_before_its_first_tick():
    with pytest.raises(hocket.RunInterrupted) as info:
        train(stopping(0), ticks=120)
    run = info.value.result.run
    assert len(run.record.ticks) == run.summary().ticks == 0 and info.value.result.updates == 0


def test_good_weights_at_the_beginning_do_not_end_it():
    options = hocket.EvaluationOptions(every_ticks=30, episodes=2, good_enough=10.0)
    result = train(ticks=120, evaluation=options)
    assert [each.tick for each in result.evaluations] == [0, 30]


def learned(result):
    """Everything of a training but its final evaluation."""
    actions, losses, evaluations, weights = came_to(result)
    return actions, losses, evaluations[:-1], weights


def test_the_result_of_a_training_outlives_an_interrupted_final_evaluation(tmp_path):
    options = {"ticks": 70, "evaluation": hocket.EvaluationOptions(every_ticks=50, episodes=2)}
    with pytest.raises(hocket.RunInterrupted, match="SIGTERM") as info:
        train(stopping(70, signal.SIGTERM), **options)
    result = info.value.result
    assert info.value.signal == signal.SIGTERM and not result.run.record.interrupted
    # The signal came in the evaluation of the last tick: of those before, the best one's weights are put back.
    assert [each.tick for each in result.evaluations] == [0, 50] and result.final.tick == 50
    assert str(result.final) == "none: the training ended before"
    result.save(tmp_path)
    saved = hocket.load(tmp_path)
    assert len(saved.record.ticks) == 70 and saved.learning.updates == result.updates > 0
    weights = load_file(tmp_path / "weights.safetensors")
    assert all(value.equal(weights[name]) for name, value in result.network.state_dict().items())


class Signalling(Paying):
    """Sends a signal at a call of ``close``: after its evaluation, outside of any run."""

    closes = 0

    def close(self):
        type(self).closes += 1
        if type(self).closes == 4:  # one was made to see if environments are new, two played the evaluations before
            os.kill(os.getpid(), signal.SIGTERM)
        super().close()


def test_a_signal_after_the_final_evaluation_loses_nothing(monkeypatch):
    monkeypatch.setattr(Signalling, "closes", 0)
    options = {"ticks": 70, "evaluation": hocket.EvaluationOptions(every_ticks=70, episodes=2)}
    with pytest.raises(hocket.RunInterrupted, match="SIGTERM") as info:
        train(lambda: Signalling(10), **options)
    assert came_to(info.value.result) == came_to(train(lambda: Paying(10), **options))


def test_ctrl_c_while_an_evaluation_is_set_up_loses_nothing():
    made = []

    def make():
        made.append(None)
        if len(made) == 5:  # the training's, one to compare with it, those of beginning and end, the final one's
            raise KeyboardInterrupt
        return Paying(10)

    options = {"ticks": 70, "evaluation": hocket.EvaluationOptions(episodes=2)}
    with pytest.raises(hocket.RunInterrupted, match="SIGINT") as info:
        train(make, **options)
    assert learned(info.value.result) == learned(train(lambda: Paying(10), **options))


def test_one_environment_for_training_and_evaluation_is_refused(tmp_path):
    env = Paying(10)
    for make in (lambda: env, lambda: gym.wrappers.TimeLimit(env, 5)):
        with pytest.raises(ConfigurationError, match=r"make_env returned the same Paying object twice.*try lambda"):
            train(make)
    assert train(lambda: env, evaluation=hocket.EvaluationOptions(episodes=0)).updates > 0
    with pytest.raises(ConfigurationError, match=r"same Paying object twice.*checkpoints"):  # their check would play it
        train(lambda: env, evaluation=hocket.EvaluationOptions(episodes=0), checkpoints=hocket.Checkpoints(tmp_path))


def test_invalid_make_env_is_refused():
    with pytest.raises(ConfigurationError, match=r"make_env=<.*Paying.*> must be a function"):
        train(Paying())
    with pytest.raises(ConfigurationError, match=r"make_env returned 3, which is no gymnasium.Env"):
        train(lambda: 3)


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [999, 1000])
def test_a_training_that_ends_before_it_learns_warns(ticks):
    message = rf"ticks={ticks} end before learning begins, after warm_up_ticks=1000"
    with pytest.warns(RuntimeWarning, match=message):
        train(ticks=ticks, warm_up_ticks=1000, evaluation=hocket.EvaluationOptions(episodes=0))


def virtual(latency_s, learning_s=0.0):
    return hocket.Virtual(hz=50, latency=hocket.Constant(latency_s), learning=hocket.Constant(learning_s))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"clock": virtual(100.0)}, r"the replay is empty.*\(coverage 0.000\)"),
        (
            {"learner": hocket.RoundRobin(1, warm_up_ticks=20, update_every_ticks=1000)},
            r"the first update is due at tick 1,000",
        ),
        ({"clock": virtual(0.01, 100.0)}, "the first update was still under way"),
    ],
)
def test_a_training_that_learns_nothing_warns_of_the_reason(options, reason):
    with pytest.warns(RuntimeWarning, match=f"^nothing was learned in 150 ticks, .*: .*{reason}"):
        result = train(ticks=150, evaluation=hocket.EvaluationOptions(episodes=0), **options)
    assert result.updates == 0


def test_a_law_of_heads_without_a_head_is_refused():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01), head=hocket.Constant(0.002))
    with pytest.raises(ConfigurationError, match=r"^head=Constant\(duration_s=0.002\) has no effect"):
        train(clock=clock)
