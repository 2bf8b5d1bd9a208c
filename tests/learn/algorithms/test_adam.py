import pytest

torch = pytest.importorskip("torch")

from hocket.learn.algorithms.adam import QuickAdam  # noqa: E402

SHAPES = ((3, 4), (5,), (2, 2, 2))


def parameters():
    generator = torch.Generator().manual_seed(3)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def gradients(step):
    generator = torch.Generator().manual_seed(10 + step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


@pytest.mark.slow
def test_its_steps_are_those_of_torch_to_the_last_bit():
    ours, theirs = parameters(), parameters()
    quick = QuickAdam(ours, lr=0.01, eps=1e-4)
    usual = torch.optim.Adam(theirs, lr=0.01, eps=1e-4, fused=True)
    for step in range(6):
        for mine, other, gradient in zip(ours, theirs, gradients(step), strict=True):
            mine.grad, other.grad = gradient.clone(), gradient.clone()
        if step == 3:  # one without a gradient stays
            ours[1].grad = theirs[1].grad = None
        quick.step()
        usual.step()
        assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    assert quick.state_dict()["state"].keys() == usual.state_dict()["state"].keys()
    for mine, other in zip(quick.state.values(), usual.state.values(), strict=True):
        assert all(torch.equal(mine[name], other[name]) for name in ("step", "exp_avg", "exp_avg_sq"))


def test_it_continues_from_a_state_that_is_loaded_into_it():
    whole, halves = parameters(), parameters()
    one, first, second = (QuickAdam(made, lr=0.1, eps=1e-8) for made in (whole, halves, halves))
    for step in range(6):
        if step == 3:
            second.step()  # it has state and must forget it
            second.load_state_dict(first.state_dict())
        for mine, other, gradient in zip(whole, halves, gradients(step), strict=True):
            mine.grad, other.grad = gradient.clone(), gradient.clone()
        one.step()
        (first if step < 3 else second).step()
        for other in halves:
            other.grad = None
    assert all(torch.equal(mine, other) for mine, other in zip(whole, halves, strict=True))


def test_a_closure_is_refused():
    with pytest.raises(TypeError, match="no closure"):
        QuickAdam(parameters(), lr=0.1, eps=1e-8).step(lambda: 0.0)
