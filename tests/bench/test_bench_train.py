import pytest

from hocket.bench import stable_baselines
from hocket.bench.training import bench_train
from hocket.errors import HocketError


@pytest.mark.slow
def test_both_play():
    for package in ("torch", "stable_baselines3", "ale_py", "cv2"):
        pytest.importorskip(package)
    figures = bench_train(width=1 / 16, batch_size=4, threads=1, block=20, repeats=1)
    assert list(figures) == ["steps_per_s", "sb3_steps_per_s"]
    assert all(value > 0 for value in figures.values())


def test_without_stable_baselines_the_error_names_the_package(monkeypatch):
    monkeypatch.setattr(stable_baselines, "find_spec", lambda name: None)
    with pytest.raises(HocketError, match="pip install stable-baselines3"):
        bench_train()
