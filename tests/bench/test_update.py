import pytest

from hocket.bench import stable_baselines, training, update
from hocket.errors import ConfigurationError, HocketError
from hocket.models import qnetwork
from hocket.models.qnetwork import has_bfloat16


@pytest.mark.slow
def test_the_same_losses_as_stable_baselines():
    pytest.importorskip("stable_baselines3")
    figures = update.bench_update(width=1 / 8, batch_size=4, actions=3, threads=1, repeats=1)
    assert figures["loss_difference"] < 1e-3
    assert figures["update_s"] > 0 and figures["sb3_update_s"] > 0 and figures["update_double_s"] > 0
    assert "update_bfloat16_s" not in figures


@pytest.mark.slow
@pytest.mark.skipif(not has_bfloat16(), reason="needs a processor with bfloat16")
def test_bfloat16_has_about_the_same_losses():
    pytest.importorskip("stable_baselines3")
    figures = update.bench_update(width=1 / 8, batch_size=4, actions=3, threads=1, repeats=1, bfloat16=True)
    assert figures["update_bfloat16_s"] > 0 and figures["loss_difference_bfloat16"] < 1e-2


@pytest.mark.parametrize("bench", [update.bench_update, training.bench_train])
def test_bfloat16_is_refused_before_the_first_update_where_the_device_has_none(bench, monkeypatch):
    monkeypatch.setattr(stable_baselines, "find_spec", lambda name: True)
    monkeypatch.setattr(qnetwork, "has_bfloat16", lambda: False)
    monkeypatch.setattr(update, "_bench", pytest.fail)
    monkeypatch.setattr(training, "_bench", pytest.fail)
    with pytest.raises(ConfigurationError, match=r"cpu does not compute in bfloat16; .*try .*--device cuda"):
        bench(bfloat16=True)


def test_without_stable_baselines_the_error_names_the_package(monkeypatch):
    monkeypatch.setattr(stable_baselines, "find_spec", lambda name: None)
    with pytest.raises(HocketError, match="pip install stable-baselines3"):
        update.bench_update()
