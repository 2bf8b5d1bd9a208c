"""Imports go one way. This walks the syntax trees, so an import inside a function counts too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hocket

SOURCE = Path(hocket.__file__).parent

# From the bottom up: a layer may import from itself and from those that it names.
LAYERS = {
    "errors": set(),
    "core": {"errors"},
    "shared": {"errors", "core"},  # policy, spaces, record, ...: what drivers, learners and readers have in common
    "drivers": {"errors", "core", "shared"},
    "learn": {"errors", "core", "shared"},
    "theory": {"errors", "core", "shared"},
    "envs": {"errors", "core", "shared"},
    "models": {"errors", "core", "shared"},
    "observe": {"errors", "core", "shared"},
    "live": {"errors", "core", "shared"},
}
ROOMS = set(LAYERS) | {"hocket"}  # "hocket" is the package itself, which shows the public names of all of them
LAYERS["run"] = ROOMS
LAYERS["cli"] = ROOMS | {"run"}
LAYERS["hocket"] = ROOMS | {"run", "cli"}
SHARED = {
    "child_processes",
    "devices",
    "policy",
    "charged",
    "spaces",
    "defaults",
    "record",
    "latency",
    "shared_memory",
    "instrument",
    "telling",
    "picture",
}
RUN = {
    "run",
    "training",
    "measure",
    "plan",
    "planning",
    "decompose",
    "predictability",
    "testing",
    "demo",
    "bench",
    "experiments",
}

FOREIGN_TO_THE_CORE = {"time", "random", "logging", "secrets", "datetime", "threading", "asyncio", "multiprocessing"}
HEAVY = ["torch", "pyboy", "ale_py", "cv2", "matplotlib", "scipy", "starlette", "uvicorn", "websockets"]


def layer_of(module):
    """The layer of ``hocket.a.b``."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return "hocket"
    if parts[1] in SHARED:
        return "shared"
    return "run" if parts[1] in RUN else parts[1]


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Every module that the file at ``path`` imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            submodules = [f"{node.module}.{name.name}" for name in node.names]
            is_package = (SOURCE.parent / node.module.replace(".", "/")).is_dir()
            yield from (s for s in submodules if is_package and exists(s))
            if not is_package or not all(map(exists, submodules)):
                yield node.module


def exists(module):
    path = SOURCE.parent / module.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


MODULES = dict((name, path) for path, name in modules())


def test_every_module_has_a_layer():
    assert {layer_of(name) for name in MODULES} <= LAYERS.keys()


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name):
    path, own = MODULES[name], layer_of(name)
    allowed = LAYERS[own] | {own}
    for imported in imports(path):
        if imported.split(".")[0] != "hocket":
            continue
        assert layer_of(imported) in allowed, f"{name} ({own}) imports {imported} ({layer_of(imported)})"


@pytest.mark.parametrize("name", [name for name in MODULES if layer_of(name) == "core"])
def test_the_core_knows_no_clock_no_chance_and_no_arrays(name):
    for imported in imports(MODULES[name]):
        top = imported.split(".")[0]
        assert top == "hocket" or top in sys.stdlib_module_names, f"{name} imports {imported}"
        assert top not in FOREIGN_TO_THE_CORE, f"{name} imports {imported}"


def test_importing_hocket_imports_nothing_optional():
    code = f"import sys, hocket; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
