"""Programs of ``torch.export``, which run as they were exported: in the mode of that moment, and on one device."""

from __future__ import annotations

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
    if changed := {name for call in calls if (name := _changed_buffer(call)) is not None}:
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


def _changed_buffer(call: Node) -> str | None:
    """The buffer that ``call`` changes in place, as ``aten.add_.Tensor`` changes its first argument."""
    in_place = "_." in str(call.target)
    changed: Any = call.args[0] if call.args else None
    return str(changed.target) if in_place and getattr(changed, "op", None) == "get_attr" else None
