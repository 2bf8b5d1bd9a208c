import subprocess
import sys
from importlib.util import find_spec as real_find_spec

import numpy as np
import pytest
from gymnasium import spaces

from hocket.envs import atari
from hocket.envs.atari import atari_games, make_atari
from hocket.errors import ConfigurationError, MissingExtraError


@pytest.mark.parametrize(
    ("id", "actions"),
    [
        ("ALE/Boxing-v5", 18),
        ("Krull", 18),
        ("ALE/NameThisGame-v5", 6),
        ("name_this_game", 6),
        ("ALE/Pong-v5", 6),
    ],
)
def test_games_by_their_names(id, actions):
    env = make_atari(id)
    assert env.action_space.n == actions
    assert env.observation_space == spaces.Box(0, 255, (1, 84, 84), np.uint8)
    env.close()


def test_one_step_is_one_frame():
    env = make_atari("Boxing", frame_stack=4)
    first, info = env.reset(seed=0)
    assert first.shape == (4, 84, 84)
    assert first.dtype == np.uint8
    began = info["episode_frame_number"]
    observations = [env.step(0) for _ in range(10)]
    assert observations[-1][4]["episode_frame_number"] - began == 10
    # Each observation holds the previous one's newer three frames.
    before, after = observations[-2][0], observations[-1][0]
    assert np.array_equal(before[1:], after[:-1])
    env.close()


def _frames(seed, ticks, **options):
    env = make_atari("Boxing", **options)
    env.reset(seed=seed)
    actions = np.random.default_rng(0).integers(18, size=ticks).tolist()
    frames = np.stack([env.step(action)[0] for action in actions])
    env.close()
    return frames


@pytest.mark.slow
def test_without_sticky_actions_a_seed_decides_nothing_and_with_them_it_does():
    assert np.array_equal(_frames(1, 150), _frames(2, 150))
    sticky = _frames(1, 150, repeat_action_probability=0.25)
    assert np.array_equal(sticky, _frames(1, 150, repeat_action_probability=0.25))
    assert not np.array_equal(sticky, _frames(1, 150))


def test_another_size_and_the_real_picture():
    env = make_atari("Boxing", size=42, render_mode="rgb_array")
    assert env.reset(seed=0)[0].shape == (1, 42, 42)
    assert env.render().shape == (210, 160, 3)
    env.close()


def test_the_emulator_is_silent(capfd):
    make_atari("Boxing").close()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_all_games_are_listed():
    games = atari_games()
    assert {"ALE/Boxing-v5", "ALE/Krull-v5", "ALE/NameThisGame-v5"} <= set(games)
    assert list(games) == sorted(games)
    assert len(games) > 50


def test_an_unknown_game_names_close_ones():
    with pytest.raises(ConfigurationError, match="did you mean ALE/Boxing-v5"):
        make_atari("ALE/Boxng-v5")
    with pytest.raises(ConfigurationError, match="Adventure-v5 to"):
        make_atari("zzzz")


@pytest.mark.parametrize(
    "option",
    [
        {"frame_stack": 0},
        {"size": 0},
        {"repeat_action_probability": 1.5},
        {"repeat_action_probability": float("nan")},
        {"render_mode": "ansi"},
    ],
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        make_atari("Boxing", **option)


@pytest.mark.parametrize("missing", ["ale_py", "cv2"])
def test_without_the_extra_the_error_names_it(monkeypatch, missing):
    monkeypatch.setattr(atari, "find_spec", lambda name: None if name == missing else real_find_spec(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'hocket\[atari\]'"):
        make_atari("Boxing")


def test_hocket_envs_imports_without_the_extra():
    code = "import sys, hocket.envs; print({'ale_py', 'cv2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
