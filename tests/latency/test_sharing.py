"""Processor sharing, by hand."""

import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.latency import ProcessorSharing
from hocket.latency.sharing import SharedProcessors
from hocket.testing import check_latency


def test_inferences_slow_each_other_and_speed_up_again():
    shared = SharedProcessors(1.0)
    assert shared.next_end() is None
    shared.start(0, 100, 0)
    assert shared.next_end() == (100, 0)
    shared.start(1, 100, 50)  # of inference 0 half is left, at half the speed
    assert shared.next_end() == (150, 0)
    shared.stop(0, 150)
    assert shared.next_end() == (200, 1), "the second has done half by 150, and the rest alone"
    shared.stop(1, 200)
    assert shared.next_end() is None


def test_up_to_the_capacity_all_run_at_full_speed():
    shared = SharedProcessors(2.0)
    for inference in range(2):
        shared.start(inference, 100 + inference, 0)
    assert shared.next_end() == (100, 0)
    shared.start(2, 10, 0)
    assert shared.next_end() == (15, 2), "three on two processors take one and a half times as long"
    shared.stop(2, 6)  # cancelled: by now each has done 4
    assert shared.next_end() == (102, 0)


def test_in_virtual_time_too_many_workers_share_one_device():
    def delay(workers):
        law = ProcessorSharing(hocket.Constant(0.1), capacity=10)
        clock = hocket.Virtual(hz=100, latency=law)
        result = hocket.run(NullEnv(), lambda o: 0, hocket.Unstaggered(workers), clock, ticks=2000, seed=0)
        return result.metrics(500).delays.mean()

    # 10 ticks for up to ten workers; twenty run at half the speed.
    assert delay(1) == delay(10) == 10
    assert delay(20) == 20


def test_its_samples_are_of_inferences_alone():
    check_latency(ProcessorSharing(hocket.LogNormal(0.2, 0.3), capacity=2.5))


@pytest.mark.parametrize("capacity", [0, -1.0, float("nan"), float("inf"), "2"])
def test_other_capacities_are_refused(capacity):
    with pytest.raises(ConfigurationError, match=r"capacity=.* must be"):
        ProcessorSharing(hocket.Constant(0.1), capacity)
    with pytest.raises(ConfigurationError, match=r"law=.* is not"):
        ProcessorSharing(0.1, 2.0)
