"""Policies: what maps an observation to actions. Importing this does not import torch."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.policies.base import Alignment as Alignment
    from hocket.policies.base import FunctionPolicy as FunctionPolicy
    from hocket.policies.base import Policy as Policy
    from hocket.policies.base import PolicyFactory as PolicyFactory
    from hocket.policies.base import Stages as Stages
    from hocket.policies.base import TwoStage as TwoStage
    from hocket.policies.cancellation import cancelled as cancelled
    from hocket.policies.cancellation import sleep_until_cancelled as sleep_until_cancelled
    from hocket.policies.cancellation import stop_if_cancelled as stop_if_cancelled
    from hocket.policies.charged import Charged as Charged
    from hocket.policies.failures import FailureLimits as FailureLimits
    from hocket.policies.failures import OnStale as OnStale
    from hocket.policies.interpolated import Interpolated as Interpolated
    from hocket.policies.interpolated import Interpolation as Interpolation
    from hocket.policies.lerobot_policy import LeRobotPolicy as LeRobotPolicy
    from hocket.policies.onnx_policy import OnnxPolicy as OnnxPolicy
    from hocket.policies.sb3_policy import SB3Policy as SB3Policy
    from hocket.policies.torch_policy import TorchPolicy as TorchPolicy
    from hocket.policies.torch_policy import continuous as continuous
    from hocket.policies.torch_policy import greedy as greedy
else:
    __all__, __getattr__, __dir__ = exports(__name__)
