"""Heads from features to action values: plain or dueling, values or distributions, with or without noisy weights.

A head maps features ``(batch, features)`` to values ``(batch, actions)``. One that expresses distributions also has
``log_probabilities``. Which of the parts to combine is the caller's choice: each is an argument.

- Dueling: Wang et al. 2016, *Dueling Network Architectures*, equation 9 (the mean advantage is subtracted).
- Distributions: Bellemare et al. 2017, *A Distributional Perspective* (C51).
- Noise: Fortunato et al. 2018, *Noisy Networks for Exploration*, §3(b), factorised.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("Q-network heads (torch)", "train") from error

_BEYOND = 0.005
"""Probability of all atoms beyond the old support together when it grows, as a share of the outermost old one's."""


class NoisyLinear(nn.Module):
    """A linear layer whose weights are ``mean + spread · noise``; both are learned.

    The noise changes only on `resample`, in training and evaluation mode alike: an acting network needs it as well. It
    is none of the weights, so no state dict holds it. A new layer is quiet.

    Args:
        inputs, outputs: as of ``nn.Linear``.
        spread: initial spread, in units of 1/√inputs.
    """

    input_noise: Tensor
    output_noise: Tensor

    def __init__(self, inputs: int, outputs: int, *, spread: float = 0.5) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.weight_spread = nn.Parameter(torch.full((outputs, inputs), spread * bound))
        self.bias_spread = nn.Parameter(torch.full((outputs,), spread * bound))
        self.register_buffer("input_noise", torch.zeros(inputs), persistent=False)
        self.register_buffer("output_noise", torch.zeros(outputs), persistent=False)

    def resample(self, generator: torch.Generator | None = None) -> None:
        """New noise: ``sign(x)·√|x|`` of standard normal x, for each input and each output.

        Written in place, so that it may happen under ``inference_mode`` and the layer still learns afterwards.
        """
        for noise in (self.input_noise, self.output_noise):
            device = noise.device if generator is None else generator.device
            normal = torch.randn(noise.shape, generator=generator, device=device)
            noise.copy_(normal.sign() * normal.abs().sqrt())

    def quieten(self) -> None:
        """No noise: the layer is the linear one of its means."""
        self.input_noise.zero_()
        self.output_noise.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, inputs)`` to ``(batch, outputs)``."""
        # The noise is an outer product, so the noisy weights never need to be written out. A copy of it: it may be
        # resampled between this and the backward pass.
        noise_in, noise_out = self.input_noise.clone(), self.output_noise.clone()
        noisy = functional.linear(x * noise_in, self.weight_spread, self.bias_spread)
        return functional.linear(x, self.weight, self.bias) + noisy * noise_out


def stream(inputs: int, outputs: int, *, hidden: int = 0, noisy: bool = False) -> nn.Sequential:
    """A linear layer, after one of ``hidden`` units and a ReLU if that is not 0."""
    linear: Callable[[int, int], nn.Module] = NoisyLinear if noisy else nn.Linear
    if not hidden:
        return nn.Sequential(linear(inputs, outputs))
    return nn.Sequential(linear(inputs, hidden), nn.ReLU(), linear(hidden, outputs))


class _Head(nn.Module):
    """``outputs`` numbers for each action: V + A − mean A where dueling."""

    def __init__(self, features: int, actions: int, outputs: int, *, dueling: bool, noisy: bool, hidden: int) -> None:
        super().__init__()
        if min(features, actions, outputs) < 1 or hidden < 0:
            raise ConfigurationError(
                f"features={features}, actions={actions} must be at least 1 and hidden={hidden} at least 0; "
                "try the trunk's own number of features"
            )
        self.features, self.actions, self.outputs = features, actions, outputs
        self.advantage = stream(features, actions * outputs, hidden=hidden, noisy=noisy)
        self.value = stream(features, outputs, hidden=hidden, noisy=noisy) if dueling else None

    def combined(self, features: Tensor) -> Tensor:
        """``(batch, actions, outputs)``."""
        advantages: Tensor = self.advantage(features).view(-1, self.actions, self.outputs)
        if self.value is None:
            return advantages
        value: Tensor = self.value(features).view(-1, 1, self.outputs)
        return value + advantages - advantages.mean(dim=1, keepdim=True)


class ValueHead(_Head):
    """One number per action.

    Args:
        features: inputs.
        actions: outputs.
        dueling: a stream for the state's value and one for the actions' advantages.
        noisy: `NoisyLinear` in place of linear layers.
        hidden: units of one hidden layer in each stream; 0 for none.
    """

    def __init__(
        self, features: int, actions: int, *, dueling: bool = False, noisy: bool = False, hidden: int = 0
    ) -> None:
        super().__init__(features, actions, 1, dueling=dueling, noisy=noisy, hidden=hidden)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, features)`` to ``(batch, actions)``."""
        if self.value is None:  # the same, without views that take as long as the layer
            advantages: Tensor = self.advantage(features)
            return advantages
        return self.combined(features).squeeze(2)


class DistributionalHead(_Head):
    """A categorical distribution of returns per action, over evenly spaced atoms.

    The support is a buffer, so that acting networks get it with the weights.

    Args:
        features: inputs.
        actions: outputs.
        v_min, v_max: the outermost atoms.
        atoms: how many.
        dueling, noisy, hidden: as `ValueHead`.
    """

    support: Tensor

    def __init__(
        self,
        features: int,
        actions: int,
        *,
        v_min: float,
        v_max: float,
        atoms: int = 51,
        dueling: bool = False,
        noisy: bool = False,
        hidden: int = 0,
    ) -> None:
        if not (math.isfinite(v_min) and math.isfinite(v_max) and v_min < v_max and atoms >= 2):
            raise ConfigurationError(
                f"{atoms} atoms from {v_min} to {v_max} are no support; 2 or more from a finite v_min to a larger, "
                "finite v_max are allowed; try hocket.learn.algorithms.value_support.Support.fit(returns)"
            )
        super().__init__(features, actions, atoms, dueling=dueling, noisy=noisy, hidden=hidden)
        self.register_buffer("support", torch.linspace(v_min, v_max, atoms))

    def log_probabilities(self, features: Tensor) -> Tensor:
        """``(batch, features)`` to ``(batch, actions, atoms)``."""
        return torch.log_softmax(self.combined(features), dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """Expected values: ``(batch, features)`` to ``(batch, actions)``."""
        return torch.softmax(self.combined(features), dim=2) @ self.support

    @torch.no_grad()
    def grow(self, v_min: float, v_max: float) -> None:
        """Spread the same number of atoms over a wider range, keeping what has been learned about as it was.

        A new atom's logit becomes the mean of the old ones within its reach, nearer ones counting more; those beyond
        the old ends get little, but not so little that they could not be learned. Logits are linear in the last
        layers, so these change and nothing else does; in place, as others may share the memory.

        Raises:
            ConfigurationError: if the range does not hold the present one.
        """
        old = self.support.double()
        if not (v_min <= old[0] and old[-1] <= v_max and math.isfinite(v_max - v_min)):
            raise ConfigurationError(
                f"a support from {old[0]:g} to {old[-1]:g} cannot become one from {v_min} to {v_max}: it may only "
                "grow; try Support.grown"
            )
        new = torch.linspace(v_min, v_max, self.outputs, dtype=torch.float64, device=old.device)
        spacing = new[1] - new[0]
        nearest = new.clamp(old[0], old[-1])
        mixing = (1 - (nearest[:, None] - old).abs() / spacing).clamp(min=0)
        mixing = (mixing / mixing.sum(dim=1, keepdim=True)).to(self.support.dtype)
        beyond = (new != nearest).to(self.support.dtype)
        lift = beyond * math.log(_BEYOND / max(1.0, beyond.sum().item()))
        for one in (self.advantage, self.value):
            if one is not None:
                for weights in one[-1].parameters():
                    rows = weights.view(-1, self.outputs, *weights.shape[1:])
                    rows.copy_(torch.einsum("kj,aj...->ak...", mixing, rows))
        lifted = self.advantage if self.value is None else self.value
        lifted[-1].get_parameter("bias").view(-1, self.outputs).add_(lift)
        self.support.copy_(new)


Head = ValueHead | DistributionalHead
"""The last layers of a Q-network."""
