"""Warns of bfloat16 on a processor without units for it."""

import warnings

import pytest
import torch

from hocket import TorchPolicy
from hocket.models import q_network
from hocket.models.qnetwork import has_bfloat16, mlp_trunk
from hocket.policies import bfloat16

HASWELL = "flags\t\t: fpu avx avx2 avx512bw avx512vl\n"
SAPPHIRE_RAPIDS = "flags\t\t: fpu avx avx512_bf16 amx_bf16\n"
GRAVITON = "Features\t: fp asimd svebf16 bf16\n"


@pytest.fixture
def processor(tmp_path, monkeypatch):
    def has(flags):
        file = tmp_path / "cpuinfo"
        file.unlink(missing_ok=True)
        if flags is not None:
            file.write_text(flags)
        bfloat16.computes_bfloat16.cache_clear()

    monkeypatch.setattr(bfloat16, "CPU_INFO", tmp_path / "cpuinfo")
    yield has
    bfloat16.computes_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("flags", "found"),
    [(HASWELL, False), (SAPPHIRE_RAPIDS, True), (GRAVITON, True), ("model : x", None), (None, None)],
)
def test_flags(processor, flags, found):
    processor(flags)
    assert bfloat16.computes_bfloat16() is found


def test_a_policy_and_a_network_that_learns_warn(processor):
    processor(HASWELL)
    with pytest.warns(RuntimeWarning, match=r"without bfloat16 units.*several times as long.*try bfloat16=False"):
        TorchPolicy(torch.nn.Identity, bfloat16=True)
    with pytest.warns(RuntimeWarning, match="bfloat16=True on a processor without"):
        q_network(*mlp_trunk(4), 2).for_learning(bfloat16=True)
    assert not has_bfloat16()


@pytest.mark.parametrize("flags", [SAPPHIRE_RAPIDS, None])
def test_no_warning_where_it_has_them_or_it_is_not_known(processor, flags):
    processor(flags)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TorchPolicy(torch.nn.Identity, bfloat16=True)
        q_network(*mlp_trunk(4), 2).for_learning(bfloat16=True)


def test_a_gpu_computes_in_bfloat16_beside_any_processor(processor):
    processor(HASWELL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TorchPolicy(torch.nn.Identity, bfloat16=True, device="cuda")
