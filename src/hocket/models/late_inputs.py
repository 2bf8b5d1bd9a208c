"""The common part of networks in two stages: a slow trunk, and a quick head that is told more.

The trunk gets the observation. The head gets the trunk's features, the pending actions, and if the network has an
encoder for it, the delay of the features as a one-hot code and a small encoding of the newest observation. A head with
such an encoder can also act without features.
"""

from __future__ import annotations

from abc import abstractmethod

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("Networks in two stages (torch)", "train") from error


class LateInputs(nn.Module):
    """A trunk, a head, and the inputs of the head side by side.

    Args:
        trunk: observation ``(batch, …)`` to ``(batch, features)``.
        head: takes what `joined` gives.
        pending: entries of the pending-action input; 0 for none.
        newest: a small encoder of the newest observation, which runs with the head; None if it is not told.
        byte_scale: factor of uint8 observations. Floats are not scaled.

    The delay's code is 0 without features, 1 to ``pending`` + 1, and one for all that is longer.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, *, pending: int, newest: nn.Module | None, byte_scale: float
    ) -> None:
        super().__init__()
        if pending < 0:
            raise ConfigurationError(f"pending={pending!r} must be 0 or more; try 0")
        self.trunk, self.head, self.newest = trunk, head, newest
        self.pending, self.byte_scale = pending, byte_scale
        self._weights = tuple(head.parameters())  # looked up once: a walk through modules takes as long as a layer

    def features(self, observation: Tensor) -> Tensor:
        """The trunk's features of observations, ``(batch, features)``. The slow stage."""
        features: Tensor = self.trunk(self.as_floats(observation))
        return features

    def as_floats(self, observation: Tensor) -> Tensor:
        """An observation in the type of the weights; bytes are scaled."""
        dtype = self._weights[0].dtype if self._weights else torch.float32
        x = observation.to(dtype)
        return x.mul_(self.byte_scale) if observation.dtype == torch.uint8 else x

    @abstractmethod
    def codes(self, pending: Tensor | None, batch: int) -> Tensor:
        """Pending actions as the head takes them, ``(batch, …)``.

        Raises:
            ConfigurationError: if they have not the shape that the network was made for.
        """

    @abstractmethod
    def feature_count(self, beside: int) -> int:
        """The number of features, if the head takes ``beside`` other inputs."""

    def joined(
        self,
        features: Tensor | None,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
        *more: Tensor,
    ) -> Tensor:
        """Features, pending actions, the delay's code, the encoded newest observation, and ``more``, side by side.

        Features are zeros where the delay is 0.

        Raises:
            ConfigurationError: if something has not the shape that the network was made for.
        """
        batch = len(features) if features is not None else len(newest) if newest is not None else 0
        late = [self.codes(pending, batch)] if self.pending else []
        if self.newest is not None:
            if newest is None or delays is None or len(newest) != batch or delays.shape != (batch,):
                got = ", ".join(
                    f"{name} {'none' if given is None else tuple(given.shape)}"
                    for name, given in (("newest", newest), ("delays", delays))
                )
                raise ConfigurationError(
                    f"{got}; a head that sees the newest observation needs ({batch}, …) of them and their delays "
                    f"({batch},): 0 without features, else the ticks from the observation to the action"
                )
            encoded: Tensor = self.newest(self.as_floats(newest))
            late += [functional.one_hot(delays.long().clamp(max=self.pending + 2), self.pending + 3), encoded]
            if features is None:
                features = encoded.new_zeros(batch, self.feature_count(sum(part.shape[1] for part in (*late, *more))))
            else:
                features = features * (delays > 0).unsqueeze(1)
        assert features is not None
        if not late and not more:
            return features
        return torch.cat([features, *(part.to(features.dtype) for part in (*late, *more))], dim=1)


class TwoStages(LateInputs):
    """A network whose two stages run one after the other, or the second one late."""

    @abstractmethod
    def from_features(
        self,
        features: Tensor | None,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """The output for features and for what is known as late as the action is due. The fast stage.

        Args:
            features: ``(batch, features)``; None if there are none yet, with ``delays`` of 0.
            pending: pending actions, ``(batch, pending)``, with their elements on a last axis for a Box.
            newest: newest observations, ``(batch, …)``.
            delays: the ticks from the features' observation to the action, ``(batch,)``; features count as zeros where
                it is 0.

        Raises:
            ConfigurationError: if something has not the shape that the network was made for.
        """

    def forward(
        self,
        observation: Tensor,
        pending: Tensor | None = None,
        newest: Tensor | None = None,
        delays: Tensor | None = None,
    ) -> Tensor:
        """Both stages in a row; arguments and errors as of `from_features`."""
        return self.from_features(self.features(observation), pending, newest, delays)
