"""The committed results of Hocket Blocks agree with replayed episodes."""

import csv

import numpy as np
import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from hocket.envs.gameboy.factory import make_blocks
from hocket.errors import ConfigurationError
from hocket.experiments import blocks_baselines
from hocket.experiments.blocks_baselines import COLUMNS, EPISODES, POLICIES, Games, collect, play_episode, tasks
from hocket.experiments.blocks_demonstrations import expert_demonstrations


@pytest.fixture(scope="module")
def game():
    env = make_blocks()
    yield env
    env.close()


@pytest.fixture(scope="module")
def shown():
    return expert_demonstrations(2, ticks=700, seed=5)


def replayed(game, shown, seed):
    """The actions once more, in an environment of their own."""
    frame, ended = 0, np.flatnonzero(shown.ended)
    observation, _ = game.reset(seed=seed)
    for row, action in enumerate(shown.actions):
        assert (shown.observations[frame, 0] == observation).all()
        observation, reward, terminated, _, _ = game.step(int(action))
        assert shown.rewards[row] == reward and shown.terminated[row] == terminated
        frame += 1
        if row in ended:
            assert (shown.observations[frame, 0] == observation).all()
            frame += 1
            observation, _ = game.reset()
    assert frame == len(shown.observations)


@pytest.mark.slow
def test_demonstrations_can_be_played_again(game, shown):
    replayed(game, shown, 5)
    assert shown.episodes == 2 and shown.returns.min() > 30
    assert np.flatnonzero(shown.truncated).tolist() == [699, 1399] and not shown.terminated.any()


@pytest.mark.slow
def test_demonstrations_with_chance_in_them_end_with_the_game(game):
    shown = expert_demonstrations(1, ticks=20_000, seed=1, random_share=0.95)
    replayed(game, shown, 1)
    assert shown.terminated[-1] and shown.terminated.sum() == 1 and not shown.truncated.any()
    assert set(shown.actions.tolist()) == set(range(7))


def test_they_are_small_in_their_file(tmp_path, shown):
    assert shown.save(tmp_path / "shown.npz").stat().st_size < 1000 * len(shown.actions)


def test_bad_options_are_refused():
    for options in ({"episodes": 0}, {"episodes": 1, "ticks": 0}, {"episodes": 1, "random_share": 1.5}):
        with pytest.raises(ConfigurationError, match="must be"):
            expert_demonstrations(**options)


@pytest.mark.slow
def test_the_expert_beats_chance_and_chance_beats_no_button(game):
    noop = play_episode(game, "noop", 0)
    chance = [play_episode(game, "random", seed)["return"] for seed in range(3)]
    expert = play_episode(game, "expert", 0, ticks=2000)
    assert noop["return"] == 0 < min(chance) and max(chance) < expert["return"] and noop["over"]
    assert expert["lines"] >= 8 and expert["ticks"] == 2000 and not expert["over"]


@pytest.mark.slow
def test_an_episode_follows_from_its_seed(game):
    assert play_episode(game, "random", 4) == play_episode(game, "random", 4)


def test_every_policy_plays_the_same_fifty_seeds():
    games = tasks()
    assert len({task.name for task in games}) == len(games)
    for policy in POLICIES:
        seeds = [s for t in games if t.policy == policy for s in range(t.first_seed, t.first_seed + t.count)]
        assert seeds == list(range(EPISODES))


def test_a_table_of_what_was_played(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blocks_baselines, "TABLE", tmp_path / "table.csv")
    rows = Games("noop", 3, count=2, ticks=100).play()
    collect(rows)
    with (tmp_path / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == COLUMNS and [row["seed"] for row in read] == ["3", "4"]
    assert all(row["ticks"] == "100" and row["return"] == "0" and row["over"] == "0" for row in read)
    assert "noop" in capsys.readouterr().out
