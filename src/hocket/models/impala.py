"""The IMPALA residual network at any width: from 54 thousand parameters to a billion with one dial.

Espeholt et al. 2018 (IMPALA), figure 3, right, without its LSTM, every filter count multiplied by a width k,
as in the paper's experiments. On 84x84 pictures:

| stage | filters | side |
|---|---|---|
| 3x3 convolution, no padding; 3x3 max-pool by 2; two residual blocks | 16k | 84 → 82 → 40 |
| the same | 32k | 40 → 38 → 18 |
| the same | 32k | 18 → 16 → 7 |
| flatten, linear, ReLU | 49·32k = 1568k → 512 | |
| linear | 512 → actions | |

The twice-deep net has six sequences. How the paper's arranges filters and poolings is not on record; here
each sequence is followed by one of as many filters whose convolution keeps the size and which does not pool.
So depth is the only difference: the linear layers are the same. Its usual sizes with 18 actions:

| k | 1/16 | 1 | 5.3 | 20.4 | 68.6 |
|---|---|---|---|---|---|
| parameters | 60,764 | 1,013,954 | 9,936,896 | 99,851,661 | 998,369,857 |
"""

from __future__ import annotations

from fractions import Fraction

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("ImpalaNet (torch)", "train") from error

SIDE = 84
"""Pixels a side of the pictures."""
_LAST_SIDE = 7
_FEATURES = 512


def filters(width: float | Fraction) -> tuple[int, int, int]:
    """Filters of the three sequences, ``16k``, ``32k`` and ``32k`` rounded to whole numbers of at least 1.

    Raises:
        ConfigurationError: if ``width`` is not a number greater than 0.
    """
    if not (isinstance(width, int | float | Fraction) and 0 < width < float("inf")):
        raise ConfigurationError(f"width={width!r} must be a number greater than 0; try 1, 7 or 1/16")
    narrow, wide = max(1, round(16 * width)), max(1, round(32 * width))
    return narrow, wide, wide


def parameter_count(width: float | Fraction, actions: int, frames: int = 1, deep: bool = False) -> int:
    """The number of parameters of an ``ImpalaNet`` with these arguments, without building it.

    Raises:
        ConfigurationError: as ``ImpalaNet``.
    """
    _check(actions, frames)
    count, inputs = 0, frames
    for outputs in filters(width):
        square = outputs * outputs * 9 + outputs
        count += inputs * outputs * 9 + outputs + (9 if deep else 4) * square
        inputs = outputs
    count += (_LAST_SIDE**2 * inputs + 1) * _FEATURES
    return count + (_FEATURES + 1) * actions


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(relu(x))))`` with 3x3 convolutions that keep size and filters."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(filters, filters, 3, padding=1)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(batch, filters, side, side)`` in and out."""
        inner: Tensor = self.second(torch.relu_(self.first(torch.relu(x))))
        return inner.add_(x)


class ImpalaNet(nn.Module):
    """Action values of grey pictures.

    Args:
        width: k, whole or not; filter counts are rounded.
        actions: outputs.
        frames: pictures in one observation.
        deep: six sequences instead of three.

    Attributes:
        trunk: everything up to the 512 features.
        head: features to action values.

    Raises:
        ConfigurationError: if ``width`` is not greater than 0, or ``actions`` or ``frames`` is below 1.
    """

    def __init__(self, width: float | Fraction, actions: int, *, frames: int = 1, deep: bool = False) -> None:
        super().__init__()
        _check(actions, frames)
        self.frames = frames
        layers: list[nn.Module] = []
        inputs = frames
        for outputs in filters(width):
            layers += [nn.Conv2d(inputs, outputs, 3), nn.MaxPool2d(3, 2)]
            layers += [ResidualBlock(outputs), ResidualBlock(outputs)]
            if deep:
                layers += [nn.Conv2d(outputs, outputs, 3, padding=1)]
                layers += [ResidualBlock(outputs), ResidualBlock(outputs)]
            inputs = outputs
        layers += [nn.ReLU(), nn.Flatten(), nn.Linear(_LAST_SIDE**2 * inputs, _FEATURES), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(_FEATURES, actions)

    def forward(self, observation: Tensor) -> Tensor:
        """Values of shape ``(batch, actions)``.

        Args:
            observation: ``(batch, frames, 84, 84)``; uint8 is scaled from 0..255 to [0, 1], floats are taken
                as scaled already.

        Raises:
            ConfigurationError: for pictures of another shape.
        """
        if observation.shape[1:] != (self.frames, SIDE, SIDE):
            raise ConfigurationError(
                f"observation of shape {tuple(observation.shape)} does not fit; (batch, {self.frames}, "
                f"{SIDE}, {SIDE}) does; try hocket.envs.make_env with frame_stack, or another network here"
            )
        x = observation.to(self.head.weight.dtype)
        if not observation.is_floating_point():
            x = x.mul_(1 / 255)
        values: Tensor = self.head(self.trunk(x))
        return values


def _check(actions: int, frames: int) -> None:
    for name, value in (("actions", actions), ("frames", frames)):
        if value < 1:
            raise ConfigurationError(f"{name}={value!r} must be at least 1; try 1 frame and 2 actions or more")
