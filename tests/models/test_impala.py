from fractions import Fraction

import pytest
import torch

from hocket.errors import ConfigurationError
from hocket.models.impala import ImpalaNet, filters, parameter_count


def _built(*args, **options):
    with torch.device("meta"):
        network = ImpalaNet(*args, **options)
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("width", "count"),
    [
        (1 / 16, 54_178),
        (Fraction(1, 16), 54_178),
        (1, 903_718),
        (7, 10_368_742),
        (29, 104_682_918),
        (98, 1_008_092_742),
    ],
)
def test_the_papers_sizes_to_the_parameter(width, count):
    assert parameter_count(width, 6) == count
    assert _built(width, 6) == count


def test_the_count_of_width_one_by_hand():
    # 3x3 convolutions with biases; four of them in the blocks of each sequence.
    first = (9 * 1 * 16 + 16) + 4 * (9 * 16 * 16 + 16)
    second = (9 * 16 * 32 + 32) + 4 * (9 * 32 * 32 + 32)
    third = 5 * (9 * 32 * 32 + 32)
    linear = 7 * 7 * 32 * 512 + 512
    assert parameter_count(1, 6) == first + second + third + linear + (512 * 6 + 6) == 903_718
    # Twice as deep: five more convolutions of equal filters in each sequence.
    extra = 5 * (9 * 16 * 16 + 16) + 2 * 5 * (9 * 32 * 32 + 32)
    assert parameter_count(1, 18, deep=True) == 903_718 + 12 * 513 + extra == 1_013_954


@pytest.mark.parametrize(("width", "count"), [(1 / 16, 7e4), (1, 1e6), (5.3, 1e7), (20.4, 1e8), (68.6, 1e9)])
def test_the_deep_net_comes_in_the_usual_sizes(width, count):
    assert parameter_count(width, 18, deep=True) == pytest.approx(count, rel=0.15)
    assert parameter_count(width, 18, deep=True) == _built(width, 18, deep=True)


@pytest.mark.parametrize("width", [0.01, 0.3, 1.37, 8.2])
@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_the_formula_agrees_with_the_net_at_any_width(width, frames, deep):
    assert parameter_count(width, 9, frames, deep) == _built(width, 9, frames=frames, deep=deep)


def test_filters_are_rounded_and_never_none():
    assert filters(1) == (16, 32, 32)
    assert filters(8.2) == (131, 262, 262)  # 131.2 and 262.4
    assert filters(0.001) == (1, 1, 1)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("frames", [1, 4])
def test_values_of_a_batch(frames, deep):
    network = ImpalaNet(1 / 16, 6, frames=frames, deep=deep)
    picture = torch.randint(0, 256, (3, frames, 84, 84), dtype=torch.uint8)
    values = network(picture)
    assert values.shape == (3, 6)
    assert values.dtype == torch.float32
    # Bytes are scaled to [0, 1]; floats are taken as they are.
    assert torch.allclose(values, network(picture.float() / 255), atol=1e-6)


def test_it_learns_and_leaves_its_input_alone():
    network = ImpalaNet(1 / 16, 6)
    picture = torch.rand(2, 1, 84, 84)
    before = picture.clone()
    network(picture).sum().backward()
    assert torch.equal(picture, before)
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf"), "big", None])
def test_a_width_is_greater_than_zero(width):
    with pytest.raises(ConfigurationError, match="width"):
        parameter_count(width, 6)


def test_bad_arguments_are_refused_by_name():
    with pytest.raises(ConfigurationError, match="actions=0"):
        ImpalaNet(1, 0)
    with pytest.raises(ConfigurationError, match="frames=0"):
        ImpalaNet(1, 6, frames=0)
    with pytest.raises(ConfigurationError, match=r"\(batch, 1, 84, 84\)"):
        ImpalaNet(1 / 16, 6)(torch.zeros(1, 4, 84, 84))
