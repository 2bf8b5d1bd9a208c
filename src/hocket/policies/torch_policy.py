"""A torch network as a policy, built alike in every worker; torch is imported there."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hocket.errors import ActionError, ConfigurationError, MissingExtraError
from hocket.policies.base import Alignment, Policy, PolicyFactory, Stages, as_factory
from hocket.policies.bfloat16 import warn_without_bfloat16
from hocket.policies.cancellation import stop_if_cancelled
from hocket.policies.exported_program import exported_module

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
_BUILDING = threading.Lock()


def greedy(values: Tensor) -> Any:
    """The index of the largest value: ``(actions,)`` to one action, ``(length, actions)`` to a chunk.

    For an action space that starts at 1, add 1: ``decide=lambda values: greedy(values) + 1``.

    Raises:
        ActionError: if a largest value is NaN. Its index would be an action like any other.
    """
    best, index = values.max(dim=-1)
    if (best != best).any():
        raise ActionError(
            f"action values {values.tolist()} hold NaN; finite numbers are allowed; look for a diverged "
            "network: try a smaller learning rate or gradient clipping"
        )
    return index.cpu().numpy()


def continuous(action: Tensor) -> Any:
    """The network's output is the action itself (Box): an array of floats of the same shape."""
    return action.float().cpu().numpy()


@dataclass(frozen=True, slots=True)
class TorchPolicy(PolicyFactory):
    """Runs the network that ``build_network()`` returns on each observation.

    Args:
        build_network: makes the network; called in every worker, each time with the same random state, so
            that all have the same weights. ``functools.partial(ImpalaNet, 7, 18)`` is one, and so is
            ``functools.partial(torch.export.load, path)``: a program runs in the mode and layout of its export.
        threads: torch threads of the process that the policy is built in.
        channels_last: memory format of convolutions. On a CPU a third to a half faster from 16 filters up, three
            times slower with one or two.
        bfloat16: weights and arithmetic in bfloat16: 0.55 of the time at 10 million parameters on a CPU with
            AVX512-BF16; several times slower without, which is warned of. The network itself is converted: 9 to
            20 % faster than autocast.
        seed: of the weights.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; on a GPU each worker has a stream of its own.
        decide: turns the network's output for one observation, without the batch axis, into an action or a
            chunk: ``greedy``, ``continuous`` or a function of yours.
        chunk_length: the most actions that one answer may hold.
        alignment: the ticks that they are for, if there may be more than one.
        pending: how many pending actions the network is also called with: ``(1, pending)`` of Discrete actions,
            ``(1, pending, m + 1)`` of a Box of m elements (`hocket.spaces.codec.PendingActions`).
        head_s: late binding if above 0: the network's ``features(observation)`` as an inference starts, and this many
            seconds before its tick ``from_features(features[, pending_actions][, newest])``, as `hocket.TwoStage`; on
            the wall clock a quarter of a tick, such as 0.004. `hocket.models.qnetwork.QNetwork` has both methods.
        newest: give ``from_features`` the newest observation, too.
        delay_told: call the network with its expected delay in ticks, ``(1,)``, as the last argument. With two stages
            as of `hocket.TwoStage`; ``from_features`` then gets all but the features by name: ``pending=``,
            ``newest=`` and ``delays=``, ``(1,)``.
        state_in_observation: allows recurrent layers, whose state then comes from the observation.
        compile_mode: a mode of ``torch.compile``, such as "default"; None: not compiled. Every worker compiles before
            the clock starts, which takes from seconds to minutes, and needs a C++ compiler. A compiled inference does
            not notice that it is cancelled.

    The network sees a batch of one: floats in the type of its weights, other types (such as uint8) unchanged. Of a dict
    or a tuple of observations it gets a dict or a tuple of batches, and texts as they are.

    Raises:
        MissingExtraError: without torch.
        ConfigurationError: on construction, if an argument cannot work; from ``build()``, if the network is none,
            lacks the stages, or carries state from call to call (consecutive observations go to different workers);
            from ``warm_up()``, if it cannot be compiled.
    """

    build_network: Callable[[], nn.Module | ExportedProgram]
    threads: int = 1
    channels_last: bool = True
    bfloat16: bool = False
    seed: int = 0
    device: str = "cpu"
    decide: Callable[[Tensor], Any] = greedy
    chunk_length: int = 1
    alignment: Alignment = Alignment.OBSERVATION
    pending: int = 0
    head_s: float = 0.0
    newest: bool = False
    delay_told: bool = False
    state_in_observation: bool = False
    compile_mode: str | None = None

    preload = ("torch",)

    def __post_init__(self) -> None:
        if find_spec("torch") is None:
            raise MissingExtraError("TorchPolicy", "train")
        if not callable(self.build_network) or _is_module(self.build_network):
            raise ConfigurationError(
                f"build_network={self.build_network!r} must be a function that makes the network in each "
                "worker; try a function, a class or functools.partial(ImpalaNet, 7, 18)"
            )
        if self.threads < 1:
            raise ConfigurationError(f"threads={self.threads!r} must be at least 1; try 1")
        if self.chunk_length < 1:
            raise ConfigurationError(f"chunk_length={self.chunk_length!r} must be at least 1; try 1")
        if self.pending < 0:
            raise ConfigurationError(f"pending={self.pending!r} must be 0 or more; try 0")
        if not callable(self.decide):
            raise ConfigurationError(f"decide={self.decide!r} must be a function of the network's output; try greedy")
        if self.compile_mode not in (None, *COMPILE_MODES):
            raise ConfigurationError(
                f"compile_mode={self.compile_mode!r} is not one of {', '.join(COMPILE_MODES)}; try 'default', or None"
            )
        as_factory(self)
        if self.bfloat16:
            warn_without_bfloat16(self.device, stacklevel=4)

    def build(self) -> Policy:
        """The network in evaluation mode, in one stage or two. Sets the torch threads."""
        torch = importlib.import_module("torch")
        torch.set_num_threads(self.threads)
        # Once torch has run, its inter-op threads are what they are.
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)
        from hocket.policies.devices import own_stream, usable_device

        device = usable_device(self.device)
        made = self._network()
        program = exported_module(made, self.device)
        network = self._prepared(made).to(device) if program is None else program
        if program is not None and self.bfloat16:
            raise ConfigurationError(
                "bfloat16=True cannot change an exported program; try bfloat16=False, or "
                "torch.export.export(network.to(torch.bfloat16), ...)"
            )
        stream = own_stream(device)
        dtype = next((weight.dtype for weight in network.parameters()), torch.get_default_dtype())
        decide, delay_told = self.decide, self.delay_told
        channels_last = self.channels_last and program is None

        def batch(array: Any) -> Any:
            if isinstance(array, dict):
                return {key: batch(part) for key, part in array.items()}
            if isinstance(array, tuple):
                return tuple(map(batch, array))
            if isinstance(array, str):
                return array
            # A copy: the array's memory may be read-only, or overwritten by the next one.
            one: Tensor = torch.tensor(array, device=device).unsqueeze(0)
            if one.is_floating_point():
                one = one.to(dtype)
            if channels_last and one.ndim == 4:
                one = one.contiguous(memory_format=torch.channels_last)
            return one

        def compiled(function: Any) -> Any:
            return function if self.compile_mode is None else torch.compile(function, mode=self.compile_mode)

        def policy(*inputs: Any) -> Any:
            with stream, torch.inference_mode():
                batches = [batch(array) for array in inputs]
                if delay_told:
                    batches[-1] = batches[-1].flatten()
                return decide(forward(*batches).squeeze(0))

        if not self.head_s:
            forward = compiled(network)
            return policy
        features_of, from_features = compiled(network.features), compiled(network.from_features)

        def trunk(observation: Any) -> Any:
            with stream, torch.inference_mode():
                return features_of(batch(observation))

        names = (*(("pending",) if self.pending else ()), "newest", "delays") if delay_told else ()

        def head(features: Any, *inputs: Any) -> Any:
            with stream, torch.inference_mode():
                late = [batch(array) for array in inputs]
                if names:
                    named = dict(zip(names, late, strict=True))
                    named["delays"] = named["delays"].flatten()
                    return decide(from_features(features, **named).squeeze(0))
                return decide(from_features(features, *late).squeeze(0))

        return Stages(trunk, head)

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Run the network twice: the first calls compile, allocate and choose kernels."""
        self._run_twice(policy, *example)

    def warm_up_alone(self, policy: Stages, *inputs: Any) -> None:
        """Run the head twice, likewise."""
        self._run_twice(policy.head, None, *inputs)

    def _run_twice(self, function: Callable[..., Any], *inputs: Any) -> None:
        for _ in range(2):
            try:
                function(*inputs)
            except ActionError:
                pass  # whether its values are any good is the run's business
            except Exception as error:
                if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    raise
                raise ConfigurationError(
                    f"compile_mode={self.compile_mode!r} does not work here: {error}\ntorch.compile needs a C++ "
                    "compiler with Python's headers, and Triton on a GPU; try 'apt install g++ python3-dev', or "
                    "compile_mode=None"
                ) from error

    def _network(self) -> nn.Module | ExportedProgram:
        """The network or program that is built, seeded."""
        import torch

        # The generator is the process's own, and executors may build in several threads at once.
        with _BUILDING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.build_network()
        if not isinstance(network, torch.nn.Module | torch.export.ExportedProgram):
            raise ConfigurationError(
                f"build_network returned {network!r}; it must return a torch.nn.Module, or a program of torch.export; "
                "try functools.partial(ImpalaNet, 7, 18)"
            )
        missing = [name for name in ("features", "from_features") if not hasattr(network, name)]
        if self.head_s and missing:
            raise ConfigurationError(
                f"head_s={self.head_s} calls a network in two stages, and {type(network).__name__} has no "
                f"{' and no '.join(missing)}; try hocket.models.qnetwork.q_network(...), or head_s=0"
            )
        return network

    def _prepared(self, network: Any) -> nn.Module:
        """A module, checked, in evaluation mode and how it is to run."""
        import torch

        whole = self.compile_mode is not None or isinstance(network, torch.jit.ScriptModule)
        for layer in () if whole else network.children():
            layer.register_forward_pre_hook(stop_if_cancelled)
        recurrent = [name for name, module in network.named_modules() if is_recurrent(module)]
        if recurrent and not self.state_in_observation:
            raise ConfigurationError(
                f"build_network returned a network with recurrent layers {recurrent}; consecutive "
                "observations go to different workers, so no state may pass from call to call; try stacked "
                "frames, or put the state into the observation and say state_in_observation=True"
            )
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        if self.bfloat16:
            network = network.to(torch.bfloat16)
        module: nn.Module = network.eval().requires_grad_(False)
        return module


def _is_module(value: Any) -> bool:
    """True if ``value`` is a network or an exported program; without an imported torch it is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module | torch.export.ExportedProgram)


def is_recurrent(module: nn.Module) -> bool:
    """True if ``module`` is a layer that carries state from call to call."""
    from torch import nn

    return isinstance(module, nn.RNNBase | nn.RNNCellBase)
