"""Messages about environments that cannot be saved, or not exactly; and the result of a training that fails."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import hocket
from hocket.errors import CheckpointError, EnvError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import mlp_trunk, q_network


class Walk(gym.Env):
    """Shows its position, which moves by chance; pays for it. Episodes of ``length`` ticks."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    length = 15

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ticks, self.place = 0, self.chance()
        return self.seen(), {}

    def step(self, action):
        self.ticks += 1
        self.place += action - 0.5 + self.chance()
        return self.seen(), self.place, False, self.ticks == self.length, {}

    def chance(self):
        return float(self.np_random.normal())

    def seen(self):
        return np.array([self.place, self.ticks], np.float32)


class Looking(gym.Wrapper):
    """Its reward depends on the state of the wrapped environment."""

    def __init__(self, env):
        super().__init__(env)
        self.base = env.unwrapped

    def step(self, action):
        observation, _, *others = super().step(action)
        return observation, self.base.place, *others


class ByTheModule(Walk):
    def chance(self):
        return float(np.random.normal())


class MadeInReset(Walk):
    def reset(self, **options):
        observation, info = super().reset(**options)
        self.pay = lambda place: 2 * place
        return observation, info

    def step(self, action):
        observation, reward, *others = super().step(action)
        return observation, self.pay(reward), *others


class Windowed(Walk):
    """Cannot be pickled."""

    def __init__(self):
        self.window = (number for number in range(3))


class Endless(Windowed):
    length = None


class Unseeded(Windowed):
    def chance(self):
        return float(np.random.default_rng().normal())


def train(make_env, ticks, clock=hocket.Virtual(hz=50, latency=hocket.Constant(0.01)), **options):  # noqa: B008
    torch.manual_seed(0)
    return hocket.train(
        make_env,
        q_network(*mlp_trunk(2, hidden=4), 2),
        DQN(batch_size=4),
        hocket.TickDispatch(1),
        clock,
        ticks=ticks,
        learner=hocket.RoundRobin(1, warm_up_ticks=20),
        acting=hocket.ActingOptions(epsilon=Linear(1.0, 0.1, 100)),
        **{"evaluation": hocket.EvaluationOptions(every_ticks=70, episodes=2), **options},
    )


def came_to(result):
    weights = [value.numpy().tobytes() for value in result.network.state_dict().values()]
    evaluations = [(each.tick, each.returns.tolist()) for each in (*result.evaluations, result.final)]
    record = result.run.record
    return record.actions, record.rewards.tobytes(), list(result.losses), evaluations, weights


@pytest.mark.parametrize("make_env", [lambda: Looking(Walk()), ByTheModule])
def test_savable_environments_resume_bit_for_bit(tmp_path, make_env):
    """An episode is under way at tick 100; wrappers that look below and chance of the module are saved with it."""
    np.random.seed(5)
    whole = train(make_env, 200)
    np.random.seed(5)
    train(make_env, 100, checkpoints=hocket.Checkpoints(tmp_path))
    np.random.seed(6)
    assert came_to(train(make_env, 200, resume=tmp_path)) == came_to(whole)


class Always:
    """Its repr has an address."""

    def __call__(self, observation):
        return 1


class OwnLaw(hocket.LatencyModel):
    """Its repr has an address."""

    def sampler(self, rng):
        return hocket.Constant(0.02).sampler(rng)


def test_a_checkpoint_does_not_belong_to_addresses(tmp_path):
    def options():
        return {"clock": hocket.Virtual(hz=50, latency=OwnLaw()), "default": hocket.Fallback(Always())}

    first, second = options(), options()
    assert repr(first) != repr(second)
    whole = train(Walk, 120, **first)
    train(Walk, 60, checkpoints=hocket.Checkpoints(tmp_path), **first)
    assert came_to(train(Walk, 120, resume=tmp_path, **second)) == came_to(whole)


class Counter:
    """A default's function with a state of its own."""

    def __init__(self):
        self.calls = 0

    def __call__(self, observation):
        self.calls += 1
        return self.calls // 3 % 2


class Draw:
    def __init__(self, law):
        self.law = law

    def __call__(self, worker, now_ns):
        self.law.draws += 1
        return 10_000_000 * (1 + self.law.draws % 5)


class Counting(hocket.LatencyModel):
    """A law with a state of its own."""

    def __init__(self):
        self.draws = 0

    def sampler(self, rng):
        return Draw(self)


LATE = hocket.Constant(0.03)


@pytest.mark.parametrize(
    "options",
    [
        lambda: {"default": hocket.RandomDefault()},  # the space is the class's, one for all environments
        lambda: {"default": hocket.Fallback(Counter())},
        lambda: {"clock": hocket.Virtual(hz=50, latency=Counting())},
        lambda: {"clock": hocket.Virtual(hz=50, latency=LATE, learning=Counting())},
    ],
    ids=["random", "default", "latency", "learning"],
)
def test_evaluations_share_no_state_with_the_training(tmp_path, options):
    late = {"clock": hocket.Virtual(hz=50, latency=LATE)}
    whole = train(Walk, 200, **late | options())
    train(Walk, 101, checkpoints=hocket.Checkpoints(tmp_path), **late | options())
    assert came_to(train(Walk, 200, resume=tmp_path, **late | options())) == came_to(whole)
    # Nor do evaluations change what the training does.
    without = {"evaluation": hocket.EvaluationOptions(episodes=0)}
    alone = train(Walk, 200, **late | without | options())
    assert alone.run.record.actions == whole.run.record.actions


class Closing(hocket.LatencyModel):
    def sampler(self, rng):
        return lambda worker, now_ns: 10_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clock": hocket.Virtual(hz=50, latency=Closing())}, r"^latency=.*Closing.* cannot be saved in checkpoints"),
        (
            {"clock": hocket.Virtual(hz=50, latency=LATE, learning=Closing())},
            r"^learning=.*Closing.* cannot be saved in checkpoints",
        ),
        ({"default": hocket.Fallback(lambda observation: 1)}, r"^default=Fallback\(.* cannot be saved in checkpoints"),
    ],
)
def test_a_law_or_a_default_that_cannot_be_saved_is_refused_at_the_start(tmp_path, monkeypatch, options, message):
    monkeypatch.setattr(Walk, "step", None)  # nothing is played
    with pytest.raises(CheckpointError, match=message):
        train(Walk, 100, checkpoints=hocket.Checkpoints(tmp_path), **options)


def test_a_function_made_in_reset_is_named_at_the_start_and_saved_around(tmp_path):
    """Due at tick 50, saved where the next episode begins, at tick 60."""
    message = r"^MadeInReset cannot be saved in the middle of an episode: MadeInReset.pay is a function"
    saving = {"checkpoints": hocket.Checkpoints(tmp_path / "a", every_ticks=50)}
    with pytest.warns(RuntimeWarning, match=message):
        train(MadeInReset, 70, **saving)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["000000060"]
    with pytest.warns(RuntimeWarning, match=message):
        resumed = train(MadeInReset, 140, resume=tmp_path / "a", **saving)
    with pytest.warns(RuntimeWarning, match=message):
        whole = train(MadeInReset, 140, checkpoints=hocket.Checkpoints(tmp_path / "b", every_ticks=50))
    assert came_to(resumed) == came_to(whole)


@pytest.mark.slow
def test_a_training_without_any_checkpoint_is_reported(tmp_path):
    with pytest.warns(RuntimeWarning) as warned:
        train(Endless, 60, checkpoints=hocket.Checkpoints(tmp_path, every_ticks=30))
    first, last = (str(warning.message) for warning in warned)
    assert first.startswith("Endless cannot be saved in the middle of an episode: Endless.window of type generator")
    assert first.endswith("begins, with a seed of its own, and none at the end of the training")
    reason = "the training ended at tick 60, and Endless could not be saved on the way"
    assert last.startswith(f"nothing was saved in {tmp_path}: {reason}")
    with pytest.raises(CheckpointError, match=f"holds no checkpoint: {reason}, since no episode ended after"):
        train(Endless, 90, resume=tmp_path)


def test_system_randomness_is_not_promised_to_repeat(tmp_path):
    message = (
        r"^checkpoints of this training hold the weights, but it cannot be resumed bit for bit: Unseeded.window.*; and "
        r"two episodes of Unseeded with the same seed differ after 0 steps; try drawing all chance from self.np_random"
    )
    with pytest.warns(RuntimeWarning, match=message):
        train(Unseeded, 70, checkpoints=hocket.Checkpoints(tmp_path, every_ticks=40))
    with pytest.raises(CheckpointError, match="does not begin an episode alike for the same seed"):
        train(Unseeded, 140, resume=tmp_path)


class Failing(Walk):
    """Its environment number ``at`` fails when it has played ``ticks`` ticks."""

    def __init__(self, number, at, ticks):
        self.left = ticks if number == at else -1

    def step(self, action):
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("the environment's own words")
        return super().step(action)


@pytest.mark.parametrize(
    ("at", "ticks", "played"),
    [
        (1, 50, 49),  # the training's own
        (3, 5, 0),  # that of the evaluation at the beginning
        (4, 5, 70),  # the second evaluation's
        (5, 5, 100),  # that of the end
        (6, 5, 100),  # the final one
    ],
)
def test_an_error_carries_the_training_up_to_there(at, ticks, played):
    numbers = iter(range(1, 9))
    with pytest.raises(RuntimeError, match="own words") as info:
        train(lambda: Failing(next(numbers), at, ticks), 100)
    result = info.value.result
    assert len(result.run.record.ticks) == played
    assert result.run.config["mode"] == "delay-only, virtual"
    assert result.updates == len(result.losses) and (result.updates > 0) == (played > 0)
    assert [note for note in info.value.__notes__ if "hocket" in note] == [
        f"hocket: the run so far ({played} ticks) is in .result of this error"
    ]


# -- values of environments ------------------------------------------------------------------------------------


class Giving(Walk):
    """Gives ``observation`` of its own, as a function makes it, and ``reward`` from tick ``from_tick`` on."""

    def __init__(self, observation=None, reward=None, from_tick=0):
        self.change, self.reward, self.from_tick = observation, reward, from_tick

    def seen(self):
        seen = super().seen()
        return seen if self.change is None or self.ticks < self.from_tick else self.change(seen)

    def step(self, action):
        observation, reward, *others = super().step(action)
        return (
            observation,
            reward if self.reward is None or self.ticks < self.from_tick else self.reward(reward),
            *others,
        )


@pytest.mark.parametrize(
    "gives",
    [
        {"observation": list},
        {"observation": tuple},
        {"observation": lambda seen: seen.astype(np.float64)},
        {"reward": lambda reward: np.array([reward])},
    ],
)
def test_harmless_differences_change_nothing(gives):
    assert came_to(train(lambda: Giving(**gives), 100)) == came_to(train(Walk, 100))


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ({"observation": lambda seen: seen[:1]}, r"observation .* of Giving has shape \(1,\), not \(2,\)"),
        ({"observation": lambda seen: ["a", "b"]}, "holds <U1, not numbers"),
        ({"observation": lambda seen: seen * np.nan}, "holds NaN or infinity"),
        ({"reward": lambda reward: None}, "reward None of Giving is not a finite number"),
        ({"reward": lambda reward: np.nan}, "reward nan of Giving is not a finite number"),
        ({"reward": lambda reward: np.ones(2)}, "is not a finite number"),
    ],
)
def test_invalid_values_of_environments_are_refused_by_name(gives, message):
    with pytest.raises(EnvError, match=message) as info:
        train(lambda: Giving(**gives, from_tick=5), 100, evaluation=hocket.EvaluationOptions(episodes=0))
    assert len(info.value.result.run.record.ticks) == 4
