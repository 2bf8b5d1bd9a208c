import pytest

from hocket.bench import stable_baselines, update
from hocket.errors import HocketError


@pytest.mark.slow
def test_the_same_losses_as_stable_baselines():
    pytest.importorskip("stable_baselines3")
    figures = update.bench_update(width=1 / 8, batch_size=4, actions=3, threads=1, repeats=1)
    assert figures["loss_difference"] < 1e-3
    assert figures["update_s"] > 0 and figures["sb3_update_s"] > 0 and figures["update_double_s"] > 0
    if figures["update_bfloat16_s"] is not None:
        assert figures["loss_difference_bfloat16"] < 1e-2


def test_without_stable_baselines_the_error_names_the_package(monkeypatch):
    monkeypatch.setattr(stable_baselines, "find_spec", lambda name: None)
    with pytest.raises(HocketError, match="pip install stable-baselines3"):
        update.bench_update()
