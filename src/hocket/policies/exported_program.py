"""Programs of ``torch.export``, which run as they were exported: in the mode of that moment, and on one device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hocket.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import nn
    from torch.fx import GraphModule, Node


def exported_module(network: Any, device: str) -> GraphModule | None:
    """The module of an exported program on ``device``, or of one that is such a module; None for any other network.

    Raises:
        ConfigurationError: if the program was exported in training mode, or changes its buffers from call to call.
    """
    import torch
    from torch.export.passes import move_to_device_pass

    if isinstance(network, torch.export.ExportedProgram):
        module: Any = move_to_device_pass(network, device).module()
    elif isinstance(network, torch.fx.GraphModule) and not _has_modes(network):
        module = network
    else:
        return None
    assert isinstance(module, torch.fx.GraphModule)
    calls = [node for node in module.graph.nodes if node.op == "call_function"]
    if any("dropout" in str(call.target) and True in call.args for call in calls):
        raise ConfigurationError(
            "build_network returned a program with dropout, exported in training mode; its answers are random; try "
            "torch.export.export(network.eval(), ...)"
        )
    if changed := {name for call in calls for name in _changed_buffers(call)}:
        raise ConfigurationError(
            f"build_network returned a program that changes its buffers {sorted(changed)} in each call; consecutive "
            "observations go to different workers, so no state may pass from call to call; try "
            "torch.export.export(network.eval(), ...), or stacked frames"
        )
    return module


def _has_modes(network: nn.Module) -> bool:
    """True if ``network`` can be set to evaluation mode, and sets it."""
    try:
        network.eval()
    except NotImplementedError:
        return False
    return True


def _changed_buffers(call: Node) -> Iterator[str]:
    """The buffers that ``call`` writes to."""
    schema = getattr(call.target, "_schema", None)
    for place, argument in enumerate(schema.arguments if schema is not None else ()):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value: Any = call.args[place] if place < len(call.args) else call.kwargs.get(argument.name)
            if getattr(value, "op", None) == "get_attr":
                yield str(value.target)
