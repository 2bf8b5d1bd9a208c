import pytest

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from hocket.experiments import duel_baselines
from hocket.experiments.duel_baselines import GAMES, POLICIES, DuelEpisodes, collect, tasks
from hocket.experiments.tasks import read_rows


def test_every_game_is_played_by_both_with_fifty_seeds():
    seeds = {(game, policy): [] for game in GAMES for policy in POLICIES}
    for task in tasks():
        seeds[task.game, task.policy] += range(task.first_seed, task.first_seed + task.episodes)
    assert all(sorted(played) == list(range(50)) for played in seeds.values())
    assert len({task.name for task in tasks()}) == len(tasks())


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_an_episode_of_catching(policy):
    task = DuelEpisodes("catch", policy, first_seed=3, episodes=1)
    (row,) = task.play()
    assert row["return"] == (1 if row["won"] else -1) and row["ticks"] > 100
    assert (row["game"], row["policy"], row["seed"]) == ("catch", policy, 3)
    assert task.play() == [row]


@pytest.mark.slow
def test_lengths_of_battles_match_their_returns():
    (row,) = DuelEpisodes("duel, round 1", "script", first_seed=0, episodes=1).play()
    # Three against three: the winner has beaten all three and lost two at most.
    assert row["return"] in ({1, 2, 3} if row["won"] else {-3, -2, -1, 0})


def test_the_table_has_means_and_intervals(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(duel_baselines, "TABLE", tmp_path / "table.csv")
    known = {"game": "catch", "policy": "random", "ticks": "10"}
    rows = [{**known, "seed": str(seed), "return": value, "won": "0"} for seed, value in ((1, "3"), (0, "1"), (2, "2"))]
    collect(rows)
    assert [row["seed"] for row in read_rows(tmp_path / "table.csv")] == ["0", "1", "2"]
    assert "| catch | random | +2.00 ± 2.48 | 0% | 10 | 3 |" in capsys.readouterr().out  # 4.303 / √3
