import copy
import multiprocessing
import os
import signal

import numpy as np
import pytest
import tabular
import torch
from sharing import same, table, tensors
from torch import nn

from hocket.errors import ConfigurationError, DivergenceError
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.weights.shared_step import WeightsWriter
from hocket.learn.weights.shared_weights import BEGUN, SharedWeights, WeightsReader
from hocket.models.qnetwork import minatar_trunk, q_network

BOTH = pytest.mark.parametrize("shared", [False, True])
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch"])


pytestmark = pytest.mark.usefixtures("one_thread")


def in_a_process(target, *args):
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    return code


# ----- versions


@BOTH
def test_version_0_is_the_network(shared):
    network, other = table(support=(-5.0, 5.0)), table(support=(-1.0, 1.0))
    weights = SharedWeights(network, shared=shared)
    reader = WeightsReader(weights)
    assert weights.version == reader.refresh(other) == 0
    assert same(other, network)
    assert other.head.support[0] == -5, "buffers belong to it"


@BOTH
def test_a_reader_follows_the_versions(shared):
    network = table()
    weights = SharedWeights(network, shared=shared)
    reader, acting = WeightsReader(weights), table()
    reader.refresh(acting)
    for number in range(1, 6):
        with weights.writing() as (before, block):
            assert before == number - 1
            for tensor in block.weights:
                tensor.fill_(number)
        assert weights.version == reader.refresh(acting) == number
        assert all((tensor == number).all() for tensor in tensors(acting))


def test_nothing_new_costs_no_copy():
    weights = SharedWeights(table())
    reader, acting = WeightsReader(weights), table()
    reader.refresh(acting)
    with torch.no_grad():
        next(acting.parameters()).fill_(7)
    reader.refresh(acting)
    assert (next(acting.parameters()) == 7).all(), "it was loaded again"
    other = table()
    with torch.no_grad():
        next(other.parameters()).fill_(7)
    reader.refresh(other)
    assert not (next(other.parameters()) == 7).any(), "another network has to be loaded"


def test_shared_weights_take_no_copies():
    weights = SharedWeights(table(), shared=True)
    acting = table()
    WeightsReader(weights).refresh(acting)
    with weights.writing() as (_, block):
        block.weights[0].fill_(3)
        assert (next(acting.parameters()) == 3).all(), "without any refresh, and before the version is there"


def test_readers_in_other_formats():
    network = q_network(*minatar_trunk(4), 3)
    weights = SharedWeights(network.to(memory_format=torch.channels_last))
    halved = q_network(*minatar_trunk(4), 3).to(torch.bfloat16)
    plain = q_network(*minatar_trunk(4), 3)
    for acting in (halved, plain):
        WeightsReader(weights).refresh(acting)
    assert same(plain, network)
    assert same(halved, copy.deepcopy(network).to(torch.bfloat16))


def test_tied_weights_are_one():
    def tied():
        first, second = nn.Linear(3, 3), nn.Linear(3, 3)
        second.weight = first.weight
        return nn.Sequential(first, second)

    network, acting = tied(), tied()
    weights = SharedWeights(network)
    assert len(weights.layout.places) == 3
    writer = WeightsWriter(weights, network, DQN(learning_rate=0.1))
    network(torch.ones(1, 3)).sum().backward()
    with writer.next_version() as making:
        making.step(network)
    torch.optim.Adam(network.parameters(), lr=0.1, eps=DQN().adam_epsilon, fused=True).step()
    WeightsReader(weights).refresh(acting)
    assert same(acting, network)
    assert acting[0].weight is acting[1].weight


def test_mismatches_are_refused():
    weights = SharedWeights(table())
    with pytest.raises(ConfigurationError, match=r"do not fit a QNetwork with \('head.value.0.weight', \(1, 3\)\)"):
        WeightsReader(weights).refresh(table(dueling=True))
    with pytest.raises(ConfigurationError, match="float32"):
        SharedWeights(table().to(torch.bfloat16))
    with pytest.raises(ConfigurationError, match="no parameters"):
        SharedWeights(nn.Flatten())
    with pytest.raises(ConfigurationError, match=r"bfloat16 .*try shared=False"):
        WeightsReader(SharedWeights(table(), shared=True)).refresh(table().to(torch.bfloat16))


# ----- updates


@BOTH
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_numbers_are_those_of_plain_adam(shared, channels_last):
    """Gradients of a plain network, applied to it by plain Adam and to the shared weights: bit for bit the same."""
    algorithm = DQN(learning_rate=0.01)
    network = q_network(*minatar_trunk(4), 3)
    if channels_last:
        network.to(memory_format=torch.channels_last)
    optimizer = algorithm.optimizer(network)
    weights = SharedWeights(network, shared=shared)
    writer = WeightsWriter(weights, network, algorithm)
    acting = copy.deepcopy(network)
    reader = WeightsReader(weights)
    for _ in range(50):
        network.zero_grad()
        network(torch.randn(8, 10, 10, 4)).square().mean().backward()
        with writer.next_version() as making:
            making.step(network)
        optimizer.step()
        reader.refresh(acting)
        assert same(acting, network)


def test_gradients_in_another_memory_format():
    algorithm = DQN(learning_rate=0.01)
    plain = q_network(*minatar_trunk(4), 3)
    turned = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    weights = SharedWeights(plain)
    writer = WeightsWriter(weights, plain, algorithm)
    for network in (plain, turned):
        network(torch.ones(2, 10, 10, 4)).sum().backward()
    with writer.next_version() as making:
        making.step(turned)
    algorithm.optimizer(plain).step()
    acting = copy.deepcopy(plain)
    WeightsReader(weights).refresh(acting)
    for one, other in zip(tensors(acting), tensors(plain), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_a_parameter_without_a_gradient_stays():
    network = table(dueling=True)
    algorithm = DQN()
    weights = SharedWeights(network)
    writer = WeightsWriter(weights, network, algorithm)
    network.head.advantage(torch.eye(3)).sum().backward()
    with writer.next_version() as making:
        making.step(network)
    state = weights.state()
    assert state["steps"].tolist() == [1, 1, 0, 0]
    assert np.array_equal(state["weights.head.value.0.weight"], network.head.value[0].weight.detach().numpy())


@BOTH
def test_a_support_that_grows_reaches_the_readers(shared):
    """Rainbow on a return of −10 with a support from −1: as in-process, tensor for tensor."""
    algorithm = Rainbow(noisy=False, dueling=False, learning_rate=0.03)
    plain = table(support=(-1.0, 1.0))
    weights = SharedWeights(plain, shared=shared)
    online, batch = copy.deepcopy(plain), tabular.batch_of([(0, 0, -10.0, 1, None)])
    targets = algorithm.target_of(plain), algorithm.target_of(plain)
    optimizer = algorithm.optimizer(plain)
    writer, reader = WeightsWriter(weights, online, algorithm), WeightsReader(weights)
    for _ in range(20):
        algorithm.update(plain, targets[0], optimizer, batch)
        reader.refresh(online)
        result = algorithm.gradients(online, targets[1], batch)
        with writer.next_version() as making:
            making.step(online)
            algorithm.adapt(making.network, targets[1], result)
    reader.refresh(online)
    assert online.head.support[[0, -1]].tolist() == [-15, 1]
    assert same(online, plain) and same(*targets)


def test_a_target_is_brought_in_line_with_a_support_that_another_learner_grew():
    algorithm = Rainbow(noisy=False, dueling=False)
    online = table(support=(-1.0, 1.0))
    target = algorithm.target_of(online)
    before = target(torch.eye(3))
    assert not algorithm.align(online, target)
    online.head.grow(-15.0, 1.0)
    assert algorithm.align(online, target) and not algorithm.align(online, target)
    assert torch.equal(target.head.support, online.head.support)
    assert target(torch.eye(3)).numpy() == pytest.approx(before.numpy(), abs=1.0)  # one new atom's spacing is 0.32


@BOTH
def test_an_error_makes_no_version(shared):
    network = table()
    weights = SharedWeights(network, shared=shared)
    writer = WeightsWriter(weights, network, DQN())
    with pytest.raises(DivergenceError), writer.next_version():
        raise DivergenceError
    acting = table()
    assert WeightsReader(weights).refresh(acting) == 0
    assert same(acting, network)
    with writer.next_version() as making:
        assert making.before == 0, "the lock was given back"


# ----- several processes


def fill(weights, times):
    """Each version is one number, in weights and moments."""
    for _ in range(times):
        with weights.writing() as (before, block):
            filled = [*block.weights, *block.first, *block.second, *block.steps]
            assert all((tensor == before).all() for tensor in filled), "it does not begin as the version before"
            for tensor in filled:
                tensor.fill_(before + 1)


def read(weights, until):
    reader, network = WeightsReader(weights), wide()
    last = distinct = 0
    while last < until:
        version = reader.refresh(network)
        assert version >= last, "an older version was read after a newer one"
        assert all((tensor == version).all() for tensor in tensors(network)), "a torn read"
        distinct += version > last
        last = version
    os._exit(0 if distinct > until / 100 else 3)


def wide():
    return nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 100))


def zero():
    network = wide()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


@pytest.mark.realtime
def test_no_torn_reads():
    """Two writers without pause, two readers without pause, and copies of everything in between."""
    weights = SharedWeights(zero())
    writers = [CONTEXT.Process(target=fill, args=(weights, 1000)) for _ in range(2)]
    readers = [CONTEXT.Process(target=read, args=(weights, 2000)) for _ in range(2)]
    for process in writers + readers:
        process.start()
    copies = 0
    while weights.version < 2000 and all(process.is_alive() for process in writers + readers):
        state = weights.state()
        version = int(state.pop("version"))
        assert all((array == version).all() for array in state.values())
        copies += 1
    for process in writers + readers:
        process.join()
    assert [process.exitcode for process in writers + readers] == [0] * 4
    assert weights.version == 2000, "every update counted once"
    assert copies


def die_while_writing(weights):
    with weights.writing() as (_, block):
        block.weights[0].fill_(float("nan"))
        block.first[0].fill_(float("nan"))
        os.kill(os.getpid(), signal.SIGKILL)


def make_a_version(weights):
    with weights.writing() as (_, block):
        block.weights[-1].fill_(5)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1])
def test_a_writer_killed_in_the_middle(after):
    """Its version never was; the lock is free; the next one starts from the last whole version."""
    network = table()
    weights = SharedWeights(network)
    for _ in range(after):
        make_a_version(weights)
    before = weights.state()
    assert in_a_process(die_while_writing, weights) == -signal.SIGKILL
    assert int(weights._counters[BEGUN]) == after + 1, "it was not killed in the middle"
    now = weights.state()
    assert now.keys() == before.keys() and all(np.array_equal(now[name], before[name]) for name in before)
    acting = table()
    assert WeightsReader(weights).refresh(acting) == after
    assert in_a_process(make_a_version, weights) == 0
    assert WeightsReader(weights).refresh(acting) == after + 1
    expected = {**before, "weights.head.advantage.0.bias": np.full(2, 5.0)}
    for name, tensor in acting.state_dict().items():
        assert np.array_equal(tensor.numpy(), expected[f"weights.{name}"])


# ----- checkpoints


@BOTH
@pytest.mark.parametrize("steps", [0, 3, 4])
def test_a_state_is_taken_over(shared, steps, tmp_path):
    """Restored from a file, learning continues bit for bit."""
    algorithm, network = DQN(learning_rate=0.1), table(support=(-2.0, 2.0))
    first = SharedWeights(network, shared=shared)

    def step(weights, gradient):
        online = table(support=(-2.0, 2.0))
        for parameter in online.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        with WeightsWriter(weights, network, algorithm).next_version() as making:
            making.step(online)

    for gradient in range(steps):
        step(first, gradient + 1.0)
    np.savez(tmp_path / "weights.npz", **first.state())
    second = SharedWeights(table(support=(-1.0, 1.0)), shared=shared)
    with np.load(tmp_path / "weights.npz") as kept:
        second.restore(dict(kept))
    assert second.version == steps
    for weights in (first, second):
        step(weights, -2.0)
    one, other = first.state(), second.state()
    assert int(other["version"]) == steps + 1
    assert all(np.array_equal(one[name], other[name]) for name in one)
    acting = table(support=(-1.0, 1.0))
    assert WeightsReader(second).refresh(acting) == steps + 1
    assert acting.head.support[0] == -2


def test_a_state_that_does_not_fit_is_refused():
    state = SharedWeights(table()).state()
    with pytest.raises(ConfigurationError, match="does not fit"):
        SharedWeights(table(dueling=True)).restore(state)
    used = SharedWeights(table())
    make_a_version(used)
    with pytest.raises(ConfigurationError, match="version 1"):
        used.restore(state)
