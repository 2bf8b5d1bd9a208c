"""The network that hocket's learners train: a trunk, pending actions, a newest observation, and a head.

The trunk gets the observation; the head gets the trunk's features and the pending actions, each as a one-hot code, and
if the network has an encoder for it, a small encoding of the newest observation and the delay of the features. So the
slow part only needs inputs that are known when an inference starts, and the fast part can run late: ``features`` and
``from_features`` are the two stages, ``forward`` is both. A head with an encoder can also act without features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Self

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("QNetwork (torch)", "train") from error

from hocket.models.heads import DistributionalHead, Head, NoisyLinear, ValueHead
from hocket.models.impala import ImpalaNet, ResidualBlock
from hocket.models.late_inputs import TwoStages
from hocket.models.mlp import Mlp
from hocket.models.relu_chain import ChannelsFirst, ReluChain
from hocket.policies.bfloat16 import computes_bfloat16, warn_without_bfloat16

_PICTURE_SIDE, _MINATAR = 64, (10, 10)
UNITS = 32
"""Outputs of an encoder of newest observations."""


class QNetwork(TwoStages):
    """Action values of an observation, its pending actions and the newest observation.

    Args:
        trunk: observation ``(batch, …)`` to ``(batch, features)``, such as `impala_trunk`.
        head: on ``features + pending · (actions + 1)`` inputs and, with ``newest``, its outputs and ``pending + 3`` for
            the delay; `q_network` makes one that fits.
        pending: entries of the pending-action input; 0 for none.
        newest: a small encoder of the newest observation, such as `newest_encoder`: it runs with the head, and must end
            within the head's time.
        byte_scale: factor of uint8 observations. Floats are not scaled.
    """

    head: Head

    def __init__(
        self,
        trunk: nn.Module,
        head: Head,
        *,
        pending: int = 0,
        newest: nn.Module | None = None,
        byte_scale: float = 1 / 255,
    ) -> None:
        super().__init__(trunk, head, pending=pending, newest=newest, byte_scale=byte_scale)
        self.unknown = head.actions
        self._bfloat16, self._blocked = False, 0
        self._noisy = [module for module in self.modules() if isinstance(module, NoisyLinear)]

    def for_learning(self, *, bfloat16: bool = False) -> Self:
        """Choose the fastest arithmetic and memory layout for batches. What the network computes stays the same.

        Args:
            bfloat16: run the trunk in bfloat16 (autocast); features, head and weights stay float32. A processor
                without AVX512-BF16 or AMX is slower then than in float32; a warning says so.

        On a CPU in float32, convolutions of the kinds that `impala_trunk` has run on oneDNN's own blocked layout: an
        eighth less time for an update than channels-last, and less than half of the default's.
        """
        on_cpu = all(weight.device.type == "cpu" for weight in self.parameters())
        if bfloat16 and on_cpu:
            warn_without_bfloat16("cpu")
        self._bfloat16 = bfloat16
        self._blocked = _blocked_layers(self.trunk) if on_cpu and not bfloat16 else 0
        if not self._blocked:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def features(self, observation: Tensor) -> Tensor:
        """The trunk's features of observations, ``(batch, features)``. The slow stage."""
        x = self.as_floats(observation)
        dtype = x.dtype
        features: Tensor
        if self._blocked and x.dtype == torch.float32 and x.device.type == "cpu":
            assert isinstance(self.trunk, nn.Sequential)
            convolved: Tensor = self.trunk[: self._blocked](x.to_mkldnn())
            features = self.trunk[self._blocked :](convolved.to_dense())
        elif self._bfloat16:
            with torch.autocast(x.device.type, torch.bfloat16):
                features = self.trunk(x)
        else:
            features = self.trunk(x)
        return features.to(dtype)

    def feature_count(self, beside: int) -> int:
        return self.head.features - beside

    def codes(self, pending: Tensor | None, batch: int) -> Tensor:
        """Pending actions ``(batch, pending)`` as one-hot codes."""
        if pending is None or pending.shape != (batch, self.pending):
            got = "none" if pending is None else f"shape {tuple(pending.shape)}"
            raise ConfigurationError(
                f"pending actions: {got}; those of shape ({batch}, {self.pending}) are allowed; give one "
                f"number for each pending tick, 0 … {self.unknown - 1} for an action and {self.unknown} for unknown"
            )
        return functional.one_hot(pending.long(), self.unknown + 1).flatten(1)

    def from_features(
        self,
        features: Tensor | None,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """Values ``(batch, actions)``; see `TwoStages`."""
        values: Tensor = self.head(self.joined(features, pending, newest, delays))
        return values

    def log_probabilities(
        self,
        observation: Tensor,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """Logarithms of each action's distribution over the support, ``(batch, actions, atoms)``.

        Raises:
            ConfigurationError: if the head has no distributions.
        """
        if not isinstance(self.head, DistributionalHead):
            raise ConfigurationError(
                f"a {type(self.head).__name__} has no distributions; DistributionalHead has; "
                "try q_network(..., support=(v_min, v_max))"
            )
        return self.head.log_probabilities(self.joined(self.features(observation), pending, newest, delays))

    def resample_noise(self, generator: torch.Generator | None = None) -> None:
        """New noise in every `NoisyLinear`, if there is any: before each update and, to explore, each inference."""
        for module in self._noisy:
            module.resample(generator)

    def quieten(self) -> None:
        """No noise in any `NoisyLinear`, as for an evaluation."""
        for module in self._noisy:
            module.quieten()


def q_network(
    trunk: nn.Module,
    features: int,
    actions: int,
    *,
    pending: int = 0,
    newest: tuple[nn.Module, int] | None = None,
    dueling: bool = False,
    noisy: bool = False,
    support: tuple[float, float] | None = None,
    atoms: int = 51,
    hidden: int | None = None,
    byte_scale: float = 1 / 255,
) -> QNetwork:
    """A `QNetwork` with the head that fits.

    Args:
        trunk: observations to ``features`` numbers; `impala_trunk`, `mlp_trunk` and `minatar_trunk` return both.
        features: how many.
        actions: of the environment.
        pending: entries of the pending-action input.
        newest: an encoder of the newest observation and its number of outputs, of `newest_encoder` or your own: the
            network then acts by late binding, and its head sees that observation.
        dueling, noisy: as `ValueHead`.
        support: (v_min, v_max) for distributions of returns; None for plain values.
        atoms: of the distributions.
        hidden: units of the head's hidden layer. By default as many as features if there are pending actions or newest
            observations (through a linear head alone they could only add a constant to each action, whatever the
            features), else 0.
        byte_scale: as `QNetwork`.
    """
    encoder, encoded = (None, 0) if newest is None else newest
    late = pending > 0 or encoder is not None
    width = hidden if hidden is not None else (features if late else 0)
    inputs = features + pending * (actions + 1)
    if encoder is not None:
        inputs += pending + 3 + encoded
    head: Head
    if support is None:
        head = ValueHead(inputs, actions, dueling=dueling, noisy=noisy, hidden=width)
    else:
        v_min, v_max = support
        head = DistributionalHead(
            inputs, actions, v_min=v_min, v_max=v_max, atoms=atoms, dueling=dueling, noisy=noisy, hidden=width
        )
    return QNetwork(trunk, head, pending=pending, newest=encoder, byte_scale=byte_scale)


def newest_encoder(shape: Sequence[int], *, units: int = UNITS) -> tuple[nn.Module, int]:
    """A small encoder of newest observations for `q_network`, and its number of outputs.

    It runs within the head's time, so it is as small as it can be: for stacks of pictures of at least 64 pixels a side
    eight filters as large as their stride, an eighth of the picture; for MinAtar's 10x10 planes four 3x3 filters; else
    none. Then one layer of ``units``.

    Args:
        shape: of an observation.
        units: outputs.

    Raises:
        ConfigurationError: if an observation is empty, or ``units`` is below 1.
    """
    shape = tuple(shape)
    if units < 1 or not shape or min(shape) < 1:
        raise ConfigurationError(f"shape={shape!r}, units={units!r}: lengths from 1 are allowed; try units=32")
    if len(shape) == 3 and min(shape[1:]) >= _PICTURE_SIDE:
        size = min(shape[1:]) // 8
        inputs = 8 * (shape[1] // size) * (shape[2] // size)
        convolution = (nn.Conv2d(shape[0], 8, size, stride=size), nn.ReLU(), nn.Flatten())
        return nn.Sequential(*convolution, nn.Linear(inputs, units), nn.ReLU()), units
    if len(shape) == 3 and shape[:2] == _MINATAR:
        layers = (ChannelsFirst(), nn.Conv2d(shape[2], 4, 3), nn.ReLU(), nn.Flatten())
        return ReluChain(*layers, nn.Linear(4 * 8 * 8, units), nn.ReLU()), units
    return ReluChain(nn.Flatten(), nn.Linear(math.prod(shape), units), nn.ReLU()), units


def impala_trunk(width: float | Fraction, *, frames: int = 1, deep: bool = False) -> tuple[nn.Module, int]:
    """`ImpalaNet`'s trunk for pictures ``(batch, frames, 84, 84)``, and its number of features."""
    net = ImpalaNet(width, 1, frames=frames, deep=deep)
    return net.trunk, net.head.in_features


def mlp_trunk(inputs: int, *, hidden: int = 64) -> tuple[nn.Module, int]:
    """`Mlp`'s trunk for observations of ``inputs`` elements in all, and its number of features."""
    net = Mlp(inputs, 1, hidden)
    return net.trunk, net.head.in_features


def minatar_trunk(channels: int) -> tuple[nn.Module, int]:
    """A trunk for MinAtar's observations as they come, ``(batch, 10, 10, channels)``, and its number of features.

    Sixteen 3x3 filters and a linear layer of 128 units (Young & Tian 2019, *MinAtar*, §3).
    """
    if channels < 1:
        raise ConfigurationError(f"channels={channels!r} must be at least 1; try the last axis of the observation")
    convolution = (ChannelsFirst(), nn.Conv2d(channels, 16, 3), nn.ReLU(), nn.Flatten())
    return ReluChain(*convolution, nn.Linear(16 * 8 * 8, 128), nn.ReLU()), 128


def has_bfloat16() -> bool:
    """True if this processor has units for bfloat16, so that ``for_learning(bfloat16=True)`` is faster than float32."""
    supported = _has_onednn() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # also where it is emulated
    return supported and computes_bfloat16() is not False


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _blocked_layers(trunk: nn.Module) -> int:
    """The number of first layers that run on oneDNN's layout; 0 unless these hold all convolutions."""
    if not (_has_onednn() and isinstance(trunk, nn.Sequential)):
        return 0
    count = 0
    for layer in trunk:
        if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.ReLU | ResidualBlock):
            break
        count += 1
    begun, rest = trunk[:count], trunk[count:]
    convolutions = [module for module in begun.modules() if isinstance(module, nn.Conv2d)]
    later = any(isinstance(module, nn.Conv2d) for module in rest.modules())
    return count if convolutions and not later else 0
