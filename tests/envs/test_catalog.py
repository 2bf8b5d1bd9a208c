from importlib.util import find_spec

import gymnasium as gym
import pytest

from hocket.envs import atari
from hocket.envs.catalog import known_environments, make_env, natural_hz, natural_spec
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.spaces.codec import ActionCodec, check_spaces


@pytest.mark.parametrize(
    ("id", "shape"),
    [
        ("CartPole-v1", (4,)),
        ("hocket/Null-v0", (1,)),
        ("ALE/Boxing-v5", (1, 84, 84)),
        ("Boxing", (1, 84, 84)),
        ("hocket.envs:hocket/Null-v0", (1,)),
    ],
)
def test_one_function_makes_any_id(id, shape):
    env = make_env(id)
    check_spaces(env)
    assert env.observation_space.shape == shape
    assert env.reset(seed=0)[0].shape == shape
    env.close()


def test_options_reach_the_environment():
    assert make_env("hocket/Null-v0", observation_shape=(3,), actions=5).action_space.n == 5
    assert make_env("CartPole-v1", frame_stack=3).observation_space.shape == (3, 4)
    assert make_env("Boxing", frame_stack=2, size=42).observation_space.shape == (2, 42, 42)
    assert make_env("Pendulum-v1", render_mode="rgb_array").render_mode == "rgb_array"


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("CartPol-v1", "did you mean CartPole-v1"),
        ("CartPole-v9", "did you mean CartPole-v1"),
        ("Boxng", "did you mean ALE/Boxing-v5"),
        ("ALE/Boxng-v5", "did you mean ALE/Boxing-v5"),
        ("Cart Pole", "did you mean CartPole-v1"),
        ("nowhere/Qqqqqq-v0", "hocket envs"),
        ("no_such_package:Nothing-v0", "not installed"),
    ],
)
def test_an_unknown_id_names_close_ones(id, hint):
    with pytest.raises(ConfigurationError, match=hint) as caught:
        make_env(id)
    assert repr(id) in str(caught.value)


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("CartPole-v1", {"frame_stack": 0}),
        ("CartPole-v1", {"repeat_action_probability": 0.25}),
        ("CartPole-v1", {"colour": "red"}),
        ("ALE/Boxing-v5", {"frameskip": 4}),
        ("FrozenLake-v1", {"map_name": "9x9"}),
        ("FrozenLake-v1", {"desc": 3}),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(id, options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        make_env(id, **options)


def test_a_missing_package_is_named():
    if find_spec("Box2D") is not None:
        pytest.skip("Box2D is installed")
    with pytest.raises(ConfigurationError, match="box2d"):
        make_env("LunarLander-v3")


def test_rates_are_the_worlds_own():
    # CartPole integrates with tau, Acrobot and Pendulum with dt; MountainCar has only a rendering rate.
    assert natural_hz("CartPole-v1") == round(1 / gym.make("CartPole-v1").unwrapped.tau) == 50
    assert natural_hz("Acrobot-v1") == round(1 / gym.make("Acrobot-v1").unwrapped.dt) == 5
    assert natural_hz("Pendulum-v1") == round(1 / gym.make("Pendulum-v1").unwrapped.dt) == 20
    assert natural_hz("MountainCar-v0") == gym.make("MountainCar-v0").metadata["render_fps"] == 30
    assert natural_hz("ALE/Boxing-v5") == natural_hz("Krull") == 60
    assert natural_hz("LunarLander-v3") == 50


@pytest.mark.parametrize("id", ["FrozenLake-v1", "hocket/Null-v0", "", "phys2d/CartPole-v1", "nothing"])
def test_an_unknown_rate_is_none(id):
    assert natural_hz(id) is None


@pytest.mark.parametrize(
    "row", [row for row in known_environments() if row.count == 1 and not row.brings], ids=lambda row: row.id
)
def test_the_catalogue_matches_the_environments(row):
    env = make_env(row.id)
    space = env.action_space
    assert row.actions == (str(space.n) if hasattr(space, "n") else f"Box({space.shape[0]})")
    assert row.hz == natural_hz(row.id)
    spec = natural_spec(row.id)
    if spec is not None and spec.default is not None:
        ActionCodec(space, 1).encode(spec.default)
    env.close()


def test_the_catalogue_counts_the_other_games():
    rows = {row.id: row for row in known_environments()}
    assert rows["ALE/*-v5"].count == len(atari.atari_games()) - 3
    assert rows["ALE/Boxing-v5"].needs == "hocket[atari]"
    assert rows["ALE/Boxing-v5"].available
    assert rows["CartPole-v1"].needs == ""


def test_without_the_extra_the_catalogue_names_it(monkeypatch):
    monkeypatch.setattr(atari, "find_spec", lambda name: None)
    rows = {row.id: row for row in known_environments()}
    assert not rows["ALE/Boxing-v5"].available
    assert rows["ALE/*-v5"].count == 0
    assert rows["CartPole-v1"].available
    assert natural_hz("ALE/Boxing-v5") == 60
    with pytest.raises(MissingExtraError, match="hocket"):
        make_env("ALE/Boxing-v5")


@pytest.mark.parametrize(("game", "actions", "channels"), [("breakout", 3, 4), ("space_invaders", 4, 6)])
def test_minatar_games_by_name(game, actions, channels):
    pytest.importorskip("minatar")
    env = make_env(f"minatar/{game}")
    observation, _ = env.reset(seed=0)
    assert observation.shape == (10, 10, channels) and observation.dtype == bool
    assert env.action_space == gym.spaces.Discrete(actions)
    env.close()


def test_an_unknown_minatar_game_lists_those_there_are():
    pytest.importorskip("minatar")
    with pytest.raises(ConfigurationError, match="'minatar/pong' is no game of MinAtar; asterix, breakout, freeway"):
        make_env("minatar/pong")
