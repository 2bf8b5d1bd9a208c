"""Small trunks as one node of the autograd graph: a convolution of small pictures, and linear layers, each with a ReLU.

Small networks spend most of an update on what surrounds their arithmetic: a node for every layer, memory that is
allocated anew, layouts that PyTorch's convolution prepares in each call. Here the forward and the backward pass are a
few matrix products into memory that is kept: a convolution multiplies the filters with all patches of the picture.
"""

from __future__ import annotations

from typing import Any

from hocket.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise MissingExtraError("ReluChain (torch)", "train") from error

_SCALED_DOWN = torch.ops.aten.threshold_backward


class ReluChain(nn.Sequential):
    """``nn.Sequential`` of a convolution, if there is one, and linear layers, each followed by a ReLU.

    Values and gradients are those of ``nn.Sequential`` to rounding, and so are the names of parameters. The short way
    is for float32 on a CPU; anything else, and an input that needs a gradient, goes layer by layer. Hooks of the layers
    are only called there.

    Args:
        layers: first what brings the input into shape and has no parameters (``ChannelsFirst``, ``nn.Flatten``), then
            at most one ``nn.Conv2d`` without padding, dilation or groups, and ``nn.Linear`` layers; a ``nn.ReLU`` after
            each of them.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self._learned = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
        self._memory = Memory()

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, …)`` to ``(batch, features)``."""
        out: Tensor
        parameters: list[Any] = [parameter for layer in self._learned for parameter in (layer.weight, layer.bias)]
        if (
            x.dtype != torch.float32
            or x.device.type != "cpu"
            or parameters[0].dtype != torch.float32
            or x.requires_grad
            or torch.is_autocast_enabled("cpu")
        ):
            out = super().forward(x)  # type: ignore[no-untyped-call]
            return out
        if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in parameters):
            out = _Node.apply(self, x, *parameters)  # type: ignore[no-untyped-call]
            return out
        memory = self._memory.take(self, x)
        with torch.no_grad():
            out = memory.forward(x, parameters)
        self._memory.give_back(memory)
        return out


class ChannelsFirst(nn.Module):
    """Pictures with their channels last, ``(batch, height, width, channels)``, as convolutions take them: a view."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, height, width)``."""
        return x.movedim(-1, 1)


class Memory:
    """The working memory of one chain, by shape of the input. Copies and pickles of it are empty.

    A forward pass takes one and its backward pass gives it back; passes that overlap have one each.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[_Buffers]] = {}

    def take(self, chain: ReluChain, x: Tensor) -> _Buffers:
        """For an input like ``x``."""
        free = self._free.get(tuple(x.shape))
        if free:
            return free.pop()
        with torch.inference_mode(False):
            return _Buffers(chain, tuple(x.shape))

    def give_back(self, buffers: _Buffers) -> None:
        """They are free for the next pass."""
        self._free.setdefault(buffers.shape, []).append(buffers)

    def __deepcopy__(self, memo: Any) -> Memory:
        return Memory()

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()


class _Buffers:
    """Activations and their gradients, for one shape of the input."""

    def __init__(self, chain: ReluChain, shape: tuple[int, ...]) -> None:
        self.shape = shape
        batch = shape[0]
        first = chain._learned[0]
        self._convolution = convolution = first if isinstance(first, nn.Conv2d) else None
        self._linear = [layer for layer in chain._learned if isinstance(layer, nn.Linear)]
        self._inputs = [torch.empty(batch, layer.in_features) for layer in self._linear]
        """The input of each linear layer; the first one is the picture itself if there is no convolution."""
        self._gradients: list[Tensor] = []
        if convolution is not None:
            channels_first = not isinstance(chain[0], ChannelsFirst)
            index = torch.arange(shape[1] * shape[2] * shape[3])
            planes = index.view(shape[1:]) if channels_first else index.view(shape[1:]).permute(2, 0, 1)
            (kernel, _), (stride, _) = convolution.kernel_size, convolution.stride
            # (channels, rows, columns, kernel, kernel) → taps in the order of the weights, then places
            taken = planes.unfold(1, kernel, stride).unfold(2, kernel, stride)
            places = taken.shape[1] * taken.shape[2]
            self._taken = taken.permute(0, 3, 4, 1, 2).flatten()
            taps, filters = convolution.in_channels * kernel * kernel, convolution.out_channels
            self._patches = torch.empty(batch, taps, places)
            self._convolved = self._inputs[0].view(batch, filters, places)
            self._filters_of_each = torch.empty(batch, filters, taps)

    def forward(self, x: Tensor, parameters: list[Tensor]) -> Tensor:
        """The features, in memory of their own."""
        batch = len(x)
        flat = x.reshape(batch, -1)
        rest = parameters
        if self._convolution is None:
            self._inputs[0] = flat
        else:
            torch.index_select(flat, 1, self._taken, out=self._patches.view(batch, -1))
            weight, bias, *rest = parameters
            filters = weight.reshape(1, len(bias), -1).expand(batch, -1, -1)
            torch.baddbmm(bias.view(1, -1, 1), filters, self._patches, out=self._convolved).relu_()
        last = len(self._linear) - 1
        for number in range(last):
            weight, bias = rest[2 * number : 2 * number + 2]
            torch.addmm(bias, self._inputs[number], weight.t(), out=self._inputs[number + 1]).relu_()
        return torch.addmm(rest[-1], self._inputs[last], rest[-2].t()).relu_()

    def backward(self, out: Tensor, gradient: Tensor, parameters: list[Tensor]) -> list[Tensor]:
        """The gradients of the parameters, in memory that the next pass overwrites."""
        if not self._gradients:
            self._gradients = [torch.empty(parameter.shape) for parameter in parameters]
            self._back = [torch.empty_like(each) for each in self._inputs]
        gradients, first = self._gradients, 0 if self._convolution is None else 2
        gradient = _SCALED_DOWN(gradient, out, 0)
        for number in reversed(range(len(self._linear))):
            inputs, at = self._inputs[number], first + 2 * number
            torch.mm(gradient.t(), inputs, out=gradients[at])
            torch.sum(gradient, 0, out=gradients[at + 1])
            if number or first:
                torch.mm(gradient, parameters[at], out=self._back[number])
                gradient = _SCALED_DOWN(self._back[number], inputs, 0)
        if self._convolution is not None:
            planes = gradient.view(self._convolved.shape)
            torch.bmm(planes, self._patches.transpose(1, 2), out=self._filters_of_each)
            torch.sum(self._filters_of_each, 0, out=gradients[0].view(len(gradients[0]), -1))
            torch.sum(planes, (0, 2), out=gradients[1])
        return gradients


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, chain: ReluChain, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.chain, ctx.buffers = chain, chain._memory.take(chain, x)
        out: Tensor = ctx.buffers.forward(x, parameters)
        ctx.save_for_backward(out, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        out, *parameters = ctx.saved_tensors
        buffers, ctx.buffers = ctx.buffers, None
        if buffers is None:
            raise RuntimeError("a second backward pass through a ReluChain; run its forward pass again first")
        of_parameters = buffers.backward(out, gradients[0], parameters)
        ctx.chain._memory.give_back(buffers)
        return None, None, *of_parameters
