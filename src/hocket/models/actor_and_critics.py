"""Networks for continuous actions: a Gaussian actor squashed into the bounds, and two critics.

An actor has two stages, as a `hocket.models.qnetwork.QNetwork`; its head takes each pending action with a mask. Critics
get the same and the action. Actors draw and critics rate actions scaled to −1 … 1;
`ActorCritic` translates from and to the environment's own units, in which pending actions come.

Source: Haarnoja et al. 2018, *Soft Actor-Critic Algorithms and Applications* (arXiv:1812.05905), appendix C for the
squashed Gaussian; bounds of the logarithm of the standard deviation as in the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, MissingExtraError, check_whole

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("ActorCritic (torch)", "train") from error

from hocket.models.late_inputs import LateInputs, TwoStages

LOG_STD = -20.0, 2.0
"""The range of the logarithm of the standard deviation."""
LEAST = 1e-6
"""Added to the derivative of tanh before its logarithm is taken."""
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def squashed(parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions between −1 and 1, and the logarithms of their densities.

    ``tanh(μ + σ·noise)``; the density takes the tanh into account (arXiv:1812.05905, equation 26).

    Args:
        parameters: (B, 2, n): the means μ, and the logarithms of σ within `LOG_STD`.
        noise: (B, n), of standard normal distributions.

    Returns:
        (B, n) and (B,).
    """
    mean, log_std = parameters.unbind(1)
    actions = torch.tanh(mean + log_std.exp() * noise)
    gaussian = -0.5 * noise.square() - log_std - _HALF_LOG_2PI
    return actions, (gaussian - (1 - actions.square() + LEAST).log()).sum(dim=1)


def perceptron(inputs: int, outputs: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class BoxInputs(LateInputs):
    """Inputs of a head for bounded Box actions, which it takes and gives scaled to −1 … 1.

    Args:
        trunk, pending, newest, byte_scale: as of `hocket.models.late_inputs.LateInputs`.
        head: takes what `joined` gives.
        actions: the environment's.
        features: how many the trunk gives.

    Raises:
        ConfigurationError: if the actions are not floats within finite bounds, or a number is not allowed.
    """

    centre: Tensor
    half_range: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Module,
        actions: spaces.Box,
        *,
        features: int,
        pending: int = 0,
        newest: nn.Module | None = None,
        byte_scale: float = 1 / 255,
    ) -> None:
        check_bounded(actions)
        check_whole("features", features, example="the trunk's")
        super().__init__(trunk, head, pending=pending, newest=newest, byte_scale=byte_scale)
        self.low, self.high = actions.low, actions.high
        low, high = (torch.from_numpy(np.ravel(end).astype(np.float32)) for end in (actions.low, actions.high))
        self.size, self._features = len(low), features
        half = high / 2 - low / 2
        self.register_buffer("centre", low / 2 + high / 2, persistent=False)
        self.register_buffer("half_range", torch.where(half > 0, half, 1.0), persistent=False)

    def scaled(self, actions: Tensor) -> Tensor:
        """Actions ``(…, n)`` in the environment's units, scaled to −1 … 1."""
        return (actions - self.centre.to(actions.device)) / self.half_range.to(actions.device)

    def feature_count(self, beside: int) -> int:
        return self._features

    def codes(self, pending: Tensor | None, batch: int) -> Tensor:
        """Pending actions ``(batch, pending, n + 1)`` scaled to −1 … 1, with their masks."""
        if pending is None or pending.shape != (batch, self.pending, self.size + 1):
            got = "none" if pending is None else f"shape {tuple(pending.shape)}"
            raise ConfigurationError(
                f"pending actions: {got}; those of shape ({batch}, {self.pending}, {self.size + 1}) are allowed; give "
                "the elements of the action of each pending tick and 1, or zeros where it is unknown"
            )
        known = pending[:, :, -1:]
        return torch.cat((self.scaled(pending[:, :, :-1]) * known, known), dim=2).flatten(1)


class GaussianActor(BoxInputs, TwoStages):
    """Observations, pending actions and newest observations to a Gaussian for each element of an action.

    Its head gives 2n numbers for actions of n elements: means, then logarithms of standard deviations. `actor_critic`
    makes heads that fit.
    """

    def from_features(
        self,
        features: Tensor | None,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """Parameters ``(batch, 2, n)``, see `squashed`; arguments as of `TwoStages`."""
        parameters: Tensor = self.head(self.joined(features, pending, newest, delays)).view(-1, 2, self.size)
        mean, log_std = parameters.unbind(1)
        return torch.stack((mean, log_std.clamp(*LOG_STD)), dim=1)

    def sample(self, parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """See `squashed`: actions between −1 and 1, as critics take them, and the logarithms of their densities."""
        return squashed(parameters, noise)

    def action(self, parameters: Tensor, noise: NDArray[np.float32] | None) -> NDArray[Any]:
        """The action of ``parameters`` (1, 2, n) in the environment's units and within its bounds.

        Args:
            parameters: as of `forward`.
            noise: ``(n,)``, of standard normal distributions; None gives the mean's action.
        """
        mean, log_std = parameters[0].detach().float().cpu().numpy()
        share = np.tanh(mean if noise is None else mean + np.exp(log_std) * noise).reshape(self.low.shape)
        # Not low + share · (high − low): that may overflow.
        scaled = self.low * (0.5 - 0.5 * share) + self.high * (0.5 + 0.5 * share)
        within: NDArray[Any] = np.clip(scaled, self.low, self.high).astype(self.low.dtype)  # rounding may step over
        return within


class Critic(BoxInputs):
    """Observations, pending actions, newest observations and an action to its value. Its head gives one number."""

    def forward(
        self,
        action: Tensor,
        observation: Tensor,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """``(batch,)``: values of actions ``(batch, n)`` between −1 and 1."""
        values: Tensor = self.head(self.joined(self.features(observation), pending, newest, delays, action))
        return values.squeeze(1)


class TwinCritics(nn.Module):
    """Two critics with the same inputs, whose smaller value counts (Fujimoto et al. 2018, *TD3*, clipped double Q).

    Args:
        first, second: built alike, from different random numbers.
    """

    def __init__(self, first: Critic, second: Critic) -> None:
        super().__init__()
        self.first, self.second = first, second

    @property
    def late_inputs(self) -> tuple[int, bool]:
        """The number of pending actions that they take, and whether they see the newest observation."""
        return self.first.pending, self.first.newest is not None

    def forward(self, action: Tensor, *inputs: Tensor) -> Tensor:
        """``(2, batch)``; arguments as of `Critic`."""
        return torch.stack((self.first(action, *inputs), self.second(action, *inputs)))


class ActorCritic(GaussianActor):
    """All that `hocket.learn.algorithms.sac.SAC` learns: an actor, its critics, and the temperature.

    As a network for acting it is its actor.

    Args:
        critics: rate the actor's actions. They take what the actor takes, or the observation alone where they are
            undelayed (see `SAC`).

    Attributes:
        log_temperature: the logarithm of the weight of the entropy.
    """

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Module,
        critics: TwinCritics,
        actions: spaces.Box,
        *,
        features: int,
        pending: int = 0,
        newest: nn.Module | None = None,
        byte_scale: float = 1 / 255,
    ) -> None:
        super().__init__(trunk, head, actions, features=features, pending=pending, newest=newest, byte_scale=byte_scale)
        if critics.late_inputs not in ((0, False), (pending, newest is not None)):
            known, sees = critics.late_inputs
            raise ConfigurationError(
                f"critics of {known} pending actions, {'with' if sees else 'without'} the newest observation, beside "
                f"an actor of {pending}, {'with' if newest is not None else 'without'} it; the same inputs are "
                "allowed, or the observation alone for undelayed critics; try actor_critic(...)"
            )
        self.critics = critics
        self.log_temperature = nn.Parameter(torch.zeros(1))


def check_bounded(actions: spaces.Space[Any]) -> spaces.Box:
    """``actions`` if a squashed Gaussian can cover them.

    Raises:
        ConfigurationError: if they are not floats within finite bounds.
    """
    if not isinstance(actions, spaces.Box) or actions.dtype.kind != "f":
        raise ConfigurationError(
            f"an actor of continuous actions needs a Box of floats, not {actions}; try a QNetwork and DQN for Discrete "
            "actions"
        )
    if not actions.is_bounded():
        raise ConfigurationError(
            f"the actor's actions are squashed into bounds, and {actions} has none; try "
            "gymnasium.wrappers.RescaleAction or TransformAction(env, function, Box(-1, 1))"
        )
    return actions


def actor_critic(
    trunk: Callable[[], tuple[nn.Module, int]],
    actions: spaces.Box,
    *,
    pending: int = 0,
    newest: Callable[[], tuple[nn.Module, int]] | None = None,
    undelayed: bool = False,
    hidden: tuple[int, ...] = (256, 256),
    byte_scale: float = 1 / 255,
) -> ActorCritic:
    """An `ActorCritic` with heads that fit.

    Args:
        trunk: makes a new module from observations to features, and their number: called for the actor and for each
            critic. ``lambda: vector_trunk(17)`` takes a vector as it is, ``lambda: impala_trunk(1)`` pictures.
        actions: of the environment, bounded.
        pending: entries of the pending-action input.
        newest: likewise makes an encoder of the newest observation, small enough for the head's time: the network then
            acts by late binding, and its head sees that observation. ``lambda: vector_trunk(17)`` or, of pictures,
            ``lambda: newest_encoder(shape)``.
        undelayed: critics that take the observation alone, for ``SAC(undelayed_critic=True)``.
        hidden: units of each hidden layer of the heads.
        byte_scale: as of `GaussianActor`.
    """
    check_bounded(actions)
    size = math.prod(actions.shape)

    def parts(*, late: bool, more: int, outputs: int) -> tuple[nn.Module, nn.Module, dict[str, Any]]:
        module, features = trunk()
        inputs, encoder = features + more, None
        if late:
            inputs += pending * (size + 1)
            if newest is not None:
                encoder, encoded = newest()
                inputs += pending + 3 + encoded
        options = {"features": features, "pending": pending if late else 0, "newest": encoder}
        return module, perceptron(inputs, outputs, hidden), {**options, "byte_scale": byte_scale}

    def critic() -> Critic:
        module, head, options = parts(late=not undelayed, more=size, outputs=1)
        return Critic(module, head, actions, **options)

    module, head, options = parts(late=True, more=0, outputs=2 * size)
    return ActorCritic(module, head, TwinCritics(critic(), critic()), actions, **options)


def vector_trunk(elements: int) -> tuple[nn.Module, int]:
    """A trunk that passes observations of ``elements`` elements in all on as vectors, and their number."""
    return nn.Flatten(), elements
