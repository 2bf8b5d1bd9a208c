"""What is written of Hocket Blocks is what was played."""

import csv
import dataclasses

import numpy as np
import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from hocket.envs.gameboy.make import make_blocks
from hocket.errors import ConfigurationError
from hocket.experiments import blocks_baselines
from hocket.experiments.blocks_baselines import COLUMNS, EPISODES, POLICIES, Games, collect, play_episode, tasks
from hocket.experiments.blocks_demonstrations import (
    Demonstrations,
    demonstrate,
    read_demonstrations,
    write_demonstrations,
)


@pytest.fixture(scope="module")
def game():
    env = make_blocks()
    yield env
    env.close()


@pytest.fixture(scope="module")
def shown():
    return demonstrate(2, ticks=700, seed=5)


def replayed(game, demonstrations):
    """The actions once more, in an environment of their own."""
    row, finals = 0, []
    for seed in demonstrations.seeds:
        observation, _ = game.reset(seed=int(seed))
        over = False
        while not over:
            assert (demonstrations.observations[row] == observation).all()
            observation, reward, terminated, _, _ = game.step(int(demonstrations.actions[row]))
            assert demonstrations.rewards[row] == reward and demonstrations.terminated[row] == terminated
            over = terminated or demonstrations.truncated[row]
            row += 1
        finals.append(observation)
    assert row == len(demonstrations.actions) and (np.stack(finals) == demonstrations.final_observations).all()


def test_demonstrations_can_be_played_again(game, shown):
    replayed(game, shown)
    assert shown.seeds.tolist() == [5, 6] and shown.rewards.sum() > 100
    assert np.flatnonzero(shown.truncated).tolist() == [699, 1399] and not shown.terminated.any()


def test_demonstrations_with_chance_in_them_end_with_the_game(game):
    shown = demonstrate(1, ticks=20_000, seed=1, random_share=0.95)
    replayed(game, shown)
    assert shown.terminated[-1] and shown.terminated.sum() == 1 and not shown.truncated.any()
    assert set(shown.actions.tolist()) == set(range(7))


def test_demonstrations_come_back_from_their_file(tmp_path, shown):
    path = tmp_path / "shown.npz"
    write_demonstrations(path, shown)
    back = read_demonstrations(path)
    for field in dataclasses.fields(Demonstrations):
        written, read = getattr(shown, field.name), getattr(back, field.name)
        assert np.array_equal(written, read) and np.asarray(written).dtype == np.asarray(read).dtype, field.name
    assert path.stat().st_size < 1000 * len(shown.actions) and list(tmp_path.iterdir()) == [path]


def test_bad_files_and_options_are_refused(tmp_path, shown):
    with pytest.raises(ConfigurationError, match=r"shown\.npz holds no demonstrations"):
        read_demonstrations(tmp_path / "shown.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ConfigurationError, match="holds no demonstrations"):
        read_demonstrations(tmp_path / "torn.npz")
    np.savez(tmp_path / "other.npz", actions=shown.actions)
    with pytest.raises(ConfigurationError, match="observations"):
        read_demonstrations(tmp_path / "other.npz")
    with pytest.raises(ConfigurationError, match=r"rewards have the shape \(1399,\).*must be \(1400,\)"):
        dataclasses.replace(shown, rewards=shown.rewards[:-1])
    with pytest.raises(ConfigurationError, match="the last episode has no end"):
        dataclasses.replace(
            shown,
            truncated=np.arange(1400) == 699,
            final_observations=shown.final_observations[:1],
            seeds=shown.seeds[:1],
        )
    for options in ({"episodes": 0}, {"episodes": 1, "ticks": 0}, {"episodes": 1, "random_share": 1.5}):
        with pytest.raises(ConfigurationError, match="must be"):
            demonstrate(**options)


def test_the_expert_beats_chance_and_chance_beats_no_button(game):
    returns = {policy: [play_episode(game, policy, s)["return"] for s in range(3)] for policy in ("noop", "random")}
    expert = play_episode(game, "expert", 0, ticks=4000)
    assert max(returns["noop"]) == 0 < min(returns["random"]) and max(returns["random"]) < expert["return"]
    assert expert["lines"] >= 20 and expert["ticks"] == 4000 and not expert["over"]


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
