"""Imports go downwards only. Read from the syntax trees, so imports inside functions count too."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import hocket

SOURCE = Path(hocket.__file__).parent

# Bottom to top, one room for each package. A room imports from the rooms below it.
ROOMS = [
    "public",
    "errors",
    "ipc",
    "core",
    "spaces",
    "latency",
    "hooks",
    "policies",
    "remote",
    "envs",
    "models",
    "results",
    "instruments",
    "drivers",
    "learn",
    "theory",
    "testing",
    "running",
    "analysis",
    "training",
    "bench",
    "experiments",
    "cli",
    "reference",
]
PROGRAMS = {"bench", "experiments", "cli", "reference"}  # use the public names of ``hocket`` itself, as a user would
BELOW = {room: set(ROOMS[:floor]) for floor, room in enumerate(ROOMS)}
# Narrower than the order of the floors.
BELOW["ipc"] -= {"core"}
BELOW["core"] = {"errors", "public"}
BELOW["learn"] -= {"drivers", "results", "instruments", "envs", "models"}
BELOW["drivers"] -= {"envs", "models", "results", "instruments"}
BELOW["remote"] = {"errors", "public", "policies"}
BELOW["testing"] = {"errors", "public", "core", "spaces", "latency", "policies", "drivers"}

FOREIGN_TO_THE_CORE = {"time", "random", "logging", "secrets", "datetime", "threading", "asyncio", "multiprocessing"}
HEAVY = ["torch", "pyboy", "ale_py", "cv2", "matplotlib", "scipy", "starlette", "uvicorn", "websockets", "msgpack"]


def room_of(module):
    """The room of ``hocket.a.b``; "hocket" for the package itself."""
    parts = module.split(".")
    return "hocket" if len(parts) == 1 or parts[1] == "__main__" else parts[1]


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes(path):
    """Every node of the syntax tree of the file at ``path``."""
    return list(ast.walk(ast.parse(path.read_text())))


def imports(path):
    """Every module that the file at ``path`` imports, anywhere in it."""
    for node in nodes(path):
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


def modules_of(room):
    return [name for name in MODULES if room_of(name) == room]


def test_every_module_has_a_room():
    assert {room_of(name) for name in MODULES} == {*ROOMS, "hocket"}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_down(room):
    allowed = BELOW[room] | {room} | ({"hocket"} if room in PROGRAMS else set())
    for name in modules_of(room):
        for imported in imports(MODULES[name]):
            if imported.split(".")[0] == "hocket":
                assert room_of(imported) in allowed, f"{name} imports {imported}"


def test_no_two_modules_import_each_other():
    graph = {name: {i for i in imports(path) if i in MODULES and i != "hocket"} for name, path in MODULES.items()}
    done = set()

    def visit(name, path):
        assert name not in path, f"a circle of imports: {' -> '.join([*path, name])}"
        if name not in done:
            for imported in graph[name]:
                visit(imported, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


OTHERS_PRIVATE = {  # of other packages, which have no public name for it
    "_config": "multiprocessing: the folder that a process has from its parent",
    "_exit": "os: leave a process at once",
    "_rebuild": "multiprocessing: a semaphore at an address",
    "_replace": "named tuples: public by the documentation, so named to keep clear of fields",
    "_foreach_add_": "torch: one call for many tensors",
    "_foreach_copy_": "torch: likewise",
    "_foreach_lerp_": "torch: likewise",
    "_foreach_mul_": "torch: likewise",
    "_foreach_norm": "torch: likewise",
    "_foreach_zero_": "torch: likewise",
    "_fused_adam_": "torch: the kernel of torch.optim.Adam(fused=True)",
    "_is_mkldnn_bf16_supported": "torch: there is no other way to ask",
}


def private_names(tree):
    """Private names that a file defines: functions, classes, variables, fields, and attributes of its own objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and on_itself(node):
            yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "object.__setattr__":
            yield ast.literal_eval(node.args[1]) if isinstance(node.args[1], ast.Constant) else ""


def on_itself(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def foreign_private_names(source):
    """Private names of another file that ``source`` imports or takes from an object, with their lines."""
    tree = ast.parse(source)
    own = set(private_names(tree)) | set(OTHERS_PRIVATE)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, name.name) for name in node.names if is_private(name.name))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            if is_private(name) and name not in own:
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("room", [*ROOMS, "hocket"])
def test_private_names_stay_in_their_file(room):
    for name in modules_of(room):
        assert list(foreign_private_names(MODULES[name].read_text())) == [], name


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class A:\n    def f(self, other):\n        self._x = other._x", []),
        ("def f(other):\n    return other._x", [(2, "other._x")]),
        ("def f(other):\n    other._x = 1", [(2, "other._x")]),
        ("class A(B):\n    def f(self):\n        return self._x", [(3, "self._x")]),
        ("from hocket.a import _b, c", [(1, "_b")]),
        ("getattr(f(), '_x', None)", [(1, "getattr(f(), '_x', None)")]),
        ("import os\nos._exit(1)\na.__dict__", []),
    ],
)
def test_foreign_private_names_are_found(source, found):
    assert list(foreign_private_names(source)) == found


def test_no_two_classes_share_a_public_name():
    found = {}
    for name, path in MODULES.items():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not is_private(node.name):
                found.setdefault(node.name, []).append(name)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_one_module_defines_the_nanoseconds_of_a_second():
    def defines(path):
        return any(isinstance(n, ast.Name) and n.id == "NS_PER_S" and isinstance(n.ctx, ast.Store) for n in nodes(path))

    def writes_it_out(path):
        return any(
            isinstance(n, ast.Constant) and type(n.value) in (int, float) and n.value == 1e9 for n in nodes(path)
        )

    assert {name for name, path in MODULES.items() if defines(path)} == {"hocket.core.cadence"}
    others = {"hocket.latency.laws", "hocket.cli.plan_command"}  # a bound in seconds; bytes in a gigabyte
    assert {name for name, path in MODULES.items() if writes_it_out(path)} == {"hocket.core.cadence", *others}


VERBS = {"run", "train", "plan", "decompose", "measure", "demonstrate", "pretrain", "play", "make", "show", "watch"}
VERBS |= {"load", "save", "keep", "tell", "resume", "suspend", "preprocess", "dispatch", "observe", "report", "act"}
NOUNS_HERE = {"hocket.running.run", "hocket.analysis.plan"}  # the contents of a run and a plan
NOUNS_HERE |= {"hocket.cli.options.run", "hocket.cli.options.train", "hocket.results.report"}  # of the command; a page


def test_files_are_named_by_nouns():
    assert {name for name in MODULES if name.rpartition(".")[2] in VERBS} <= NOUNS_HERE


def test_the_core_knows_no_clock_no_chance_and_no_arrays():
    for name in modules_of("core"):
        for imported in imports(MODULES[name]):
            top = imported.split(".")[0]
            assert top == "hocket" or top in sys.stdlib_module_names, f"{name} imports {imported}"
            assert top not in FOREIGN_TO_THE_CORE, f"{name} imports {imported}"


def test_importing_hocket_imports_nothing_optional():
    code = f"import sys, hocket; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
