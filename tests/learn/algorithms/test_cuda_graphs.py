import pickle

import numpy as np
import torch

from hocket.learn.algorithms.cuda_graphs import Captured

CPU = torch.device("cpu")


def once(call):
    """Stands for a capture: computes on the recorded memory at each call."""
    captures.append(call)
    return call


captures = []


def weighted(left, right, flags):
    return left.float() + 10 * right.flatten() + 100 * flags


def test_each_call_has_the_arrays_that_it_is_given():
    captures.clear()
    captured = Captured(weighted, CPU, capture=once)
    for number in range(3):
        left, right = np.array([number, 250], np.uint8), np.array([[1.0], [number]], np.float32)
        result = captured(left, right, np.array([True, False]))
        assert result.tolist() == [number + 10 + 100, 250 + 10 * number]
    assert len(captures) == 1


def test_each_set_of_shapes_and_types_is_captured_once():
    captures.clear()
    captured = Captured(lambda each: each * 2, CPU, capture=once)
    for length in (1, 2, 1, 2):
        assert captured(np.arange(length)).tolist() == [0, 2][:length]
    assert captured(np.array([0.5])).tolist() == [1.0]
    assert len(captures) == 3


def test_a_result_stays_as_it_is():
    captured = Captured(lambda each: each, CPU, capture=once)
    first = captured(np.array([1]))
    captured(np.array([2]))
    assert first.tolist() == [1]


def test_a_copy_makes_its_own_recordings():
    captured = Captured(torch.square, CPU, capture=once)
    captured(np.array([3]))
    captures.clear()
    assert pickle.loads(pickle.dumps(captured))(np.array([3])).tolist() == [9]
    assert len(captures) == 1
