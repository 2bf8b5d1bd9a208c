import numpy as np
import torch

from hocket.learn.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hocket.learn.checkpoints.training_state import state_of, tensors_of


def test_the_state_of_shared_weights_comes_back(tmp_path):
    state = {
        "version": np.array(7),
        "steps": np.array([7.0, 7.0], np.float32),
        "weights.head.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "weights.head.noisy": np.array(True),
        "first.head.weight": np.ones((2, 3), np.float32),
        "second.head.weight": np.full((2, 3), 2, np.float32),
    }
    tensors = tensors_of(state)
    assert tensors["weights"].keys() == {"head.weight", "head.noisy"}, "the network's own names"
    save_checkpoint(tmp_path, Checkpoint(tick=1, updates=7, belongs_to={}, tensors=tensors))
    back = state_of(load_checkpoint(tmp_path, {}).tensors)
    assert back.keys() == state.keys()
    for name, array in state.items():
        assert back[name].shape == array.shape and back[name].dtype == array.dtype
        assert (back[name] == array).all()


def test_a_copy_is_kept():
    live = np.zeros(3, np.float32)
    tensors = tensors_of({"weights.a": live})
    live[:] = 1
    assert torch.equal(tensors["weights"]["a"], torch.zeros(3))
