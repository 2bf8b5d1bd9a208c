"""Networks for continuous actions: a Gaussian actor squashed into the bounds, and two critics.

An actor has two stages, as a `hocket.models.qnetwork.QNetwork`: the trunk gets the observation, the head gets the
trunk's features and the pending actions, each with its mask. Critics get the observation, the pending actions and the
action. Actors draw and critics rate actions scaled to −1 … 1; `ActorCritic` translates from and to the environment's
own units, in which pending actions come.

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

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("ActorCritic (torch)", "train") from error

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


class _Inputs(nn.Module):
    """Turns what a policy sees into the input of a head: a trunk's features and the pending actions."""

    centre: Tensor
    half_range: Tensor

    def __init__(self, trunk: nn.Module, actions: spaces.Box, pending: int, byte_scale: float) -> None:
        super().__init__()
        low, high = (torch.from_numpy(np.ravel(end).astype(np.float32)) for end in (actions.low, actions.high))
        self.trunk, self.pending, self.byte_scale = trunk, pending, byte_scale
        self.size = len(low)
        self.register_buffer("centre", low / 2 + high / 2, persistent=False)
        half = high / 2 - low / 2
        self.register_buffer("half_range", torch.where(half > 0, half, 1.0), persistent=False)

    def features(self, observation: Tensor) -> Tensor:
        """The trunk's features of observations, ``(batch, features)``."""
        x = observation.to(self.half_range.dtype)
        if observation.dtype == torch.uint8:
            x = x * self.byte_scale
        features: Tensor = self.trunk(x)
        return features

    def joined(self, features: Tensor, pending: Tensor | None, *more: Tensor) -> Tensor:
        """Features, pending actions scaled to −1 … 1 with their masks, and ``more``, side by side."""
        parts = [features]
        if self.pending:
            if pending is None or pending.shape != (len(features), self.pending, self.size + 1):
                got = "none" if pending is None else f"shape {tuple(pending.shape)}"
                raise ConfigurationError(
                    f"pending actions: {got}; those of shape ({len(features)}, {self.pending}, {self.size + 1}) are "
                    "allowed; give the elements of the action of each pending tick and 1, or zeros where it is unknown"
                )
            known = pending[:, :, -1:]
            scaled = (pending[:, :, :-1] - self.centre) / self.half_range * known
            parts.append(torch.cat((scaled, known), dim=2).flatten(1))
        return torch.cat((*parts, *more), dim=1) if self.pending or more else features


class GaussianActor(_Inputs):
    """Observations and pending actions to the parameters of a Gaussian for each element of an action.

    Args:
        trunk: observation ``(batch, …)`` to ``(batch, features)``.
        head: ``features + pending · (n + 1)`` numbers to 2n, for actions of n elements: means, then logarithms of
            standard deviations.
        actions: the environment's, bounded.
        pending: entries of the pending-action input; 0 for none.
        byte_scale: factor of uint8 observations. Floats are not scaled.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, actions: spaces.Box, *, pending: int = 0, byte_scale: float = 1 / 255
    ) -> None:
        super().__init__(trunk, actions, pending, byte_scale)
        self.head = head

    def from_features(self, features: Tensor, pending: Tensor | None = None) -> Tensor:
        """See `squashed`: parameters ``(batch, 2, n)`` of features and pending actions ``(batch, pending, n + 1)``."""
        parameters: Tensor = self.head(self.joined(features, pending)).view(-1, 2, self.size)
        mean, log_std = parameters.unbind(1)
        return torch.stack((mean, log_std.clamp(*LOG_STD)), dim=1)

    def forward(self, observation: Tensor, pending: Tensor | None = None) -> Tensor:
        """Both stages in a row."""
        return self.from_features(self.features(observation), pending)


class Critic(_Inputs):
    """Observations, pending actions and an action to its value.

    Args:
        trunk: observation ``(batch, …)`` to ``(batch, features)``.
        head: ``features + pending · (n + 1) + n`` numbers to one.
        actions, pending, byte_scale: as of `GaussianActor`.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, actions: spaces.Box, *, pending: int = 0, byte_scale: float = 1 / 255
    ) -> None:
        super().__init__(trunk, actions, pending, byte_scale)
        self.head = head

    def forward(self, action: Tensor, observation: Tensor, pending: Tensor | None = None) -> Tensor:
        """``(batch,)``: values of actions ``(batch, n)`` between −1 and 1."""
        values: Tensor = self.head(self.joined(self.features(observation), pending, action))
        return values.squeeze(1)


class TwinCritics(nn.Module):
    """Two critics with the same inputs, whose smaller value counts (Fujimoto et al. 2018, *TD3*, clipped double Q).

    Args:
        first, second: built alike, from different random numbers.
    """

    def __init__(self, first: Critic, second: Critic) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.pending = first.pending

    def forward(self, action: Tensor, observation: Tensor, pending: Tensor | None = None) -> Tensor:
        """``(2, batch)``; arguments as of `Critic`."""
        return torch.stack((self.first(action, observation, pending), self.second(action, observation, pending)))


class ActorCritic(nn.Module):
    """All that `hocket.learn.algorithms.sac.SAC` learns: an actor, its critics, and the temperature.

    As a network for acting it is its actor: ``forward``, ``features``, ``from_features``, ``trunk`` and ``head``.

    Args:
        actor: chooses actions.
        critics: rate them. Their pending actions are the actor's, or none where they are undelayed (see `SAC`).
        actions: the environment's, bounded.

    Attributes:
        log_temperature: the logarithm of the weight of the entropy.
    """

    def __init__(self, actor: GaussianActor, critics: TwinCritics, actions: spaces.Box) -> None:
        super().__init__()
        check_bounded(actions)
        if critics.pending not in (0, actor.pending):
            raise ConfigurationError(
                f"critics of {critics.pending} pending actions beside an actor of {actor.pending}; as many are "
                "allowed, or none for undelayed critics; try actor_critic(...)"
            )
        self.actor, self.critics = actor, critics
        self.log_temperature = nn.Parameter(torch.zeros(1))
        self.low, self.high = actions.low, actions.high

    @property
    def pending(self) -> int:
        """The number of pending actions that the actor takes."""
        return self.actor.pending

    @property
    def trunk(self) -> nn.Module:
        """The actor's."""
        return self.actor.trunk

    @property
    def head(self) -> nn.Module:
        """The actor's."""
        return self.actor.head

    def features(self, observation: Tensor) -> Tensor:
        """The actor's slow stage."""
        return self.actor.features(observation)

    def from_features(self, features: Tensor, pending: Tensor | None = None) -> Tensor:
        """The actor's fast stage."""
        return self.actor.from_features(features, pending)

    def forward(self, observation: Tensor, pending: Tensor | None = None) -> Tensor:
        """The parameters ``(batch, 2, n)`` of the actor's actions; see `squashed`."""
        parameters: Tensor = self.actor(observation, pending)
        return parameters

    def sample(self, parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """See `squashed`: actions between −1 and 1, as critics take them, and the logarithms of their densities."""
        return squashed(parameters, noise)

    def scaled(self, actions: Tensor) -> Tensor:
        """Actions ``(batch, n)`` in the environment's units, scaled to −1 … 1."""
        return (actions - self.actor.centre) / self.actor.half_range

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
        undelayed: critics without pending actions, for ``SAC(undelayed_critic=True)``.
        hidden: units of each hidden layer of the heads.
        byte_scale: as `GaussianActor`.
    """
    check_bounded(actions)
    size = math.prod(actions.shape)

    def critic() -> Critic:
        known = 0 if undelayed else pending
        module, features = trunk()
        head = perceptron(features + known * (size + 1) + size, 1, hidden)
        return Critic(module, head, actions, pending=known, byte_scale=byte_scale)

    module, features = trunk()
    head = perceptron(features + pending * (size + 1), 2 * size, hidden)
    actor = GaussianActor(module, head, actions, pending=pending, byte_scale=byte_scale)
    return ActorCritic(actor, TwinCritics(critic(), critic()), actions)


def vector_trunk(elements: int) -> tuple[nn.Module, int]:
    """A trunk that passes observations of ``elements`` elements in all on as vectors, and their number."""
    return nn.Flatten(), elements
