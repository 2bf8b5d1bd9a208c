import pytest

from hocket.experiments import exact_regret, regret_over_time


@pytest.mark.slow
def test_a_short_run_of_remarks_1_and_2(monkeypatch, tmp_path):
    monkeypatch.setattr(regret_over_time, "TICKS", 8000)
    monkeypatch.setattr(regret_over_time, "CHECKPOINTS", [1000, 8000])
    world = "ring, ρ = 0.9"
    slow = regret_over_time.play((world, regret_over_time.SEQUENTIAL, 0))
    quick = regret_over_time.play((world, regret_over_time.STAGGERED, 0))
    # Three ticks of four are β's, right in one state of four; the others are decided three steps ahead.
    late = (1 - 0.9**3) * 3 / 4
    assert slow[-1]["limit"] == round(9 / 16 + late / 4, 6)
    assert quick[-1]["limit"] == round(late, 6)
    assert abs(slow[-1]["recent_regret_per_tick"] - slow[-1]["limit"]) < 0.05
    assert abs(quick[-1]["recent_regret_per_tick"] - quick[-1]["limit"]) < 0.05
    assert slow[0]["regret_per_tick"] > slow[-1]["regret_per_tick"], "it learns"


@pytest.mark.slow
def test_exact_figures_and_orders_stand_side_by_side(tmp_path):
    found = exact_regret.rows()
    assert len(found) == len(exact_regret.WORLDS) * exact_regret.LONGEST * 2
    ring = {(row["what"], row["ticks"]): row for row in found if row["world"] == "ring, ρ = 0.9"}
    assert abs(ring["delay", 3]["exact"] - (1 - 0.81) * 2 / 3) < 1e-10
    assert ring["inaction", 4]["order"] == 0.75
    exact_regret.draw(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
