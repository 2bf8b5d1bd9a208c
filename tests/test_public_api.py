"""The public names: one table makes ``__all__``, ``dir()``, the types that checkers see, and the page."""

import ast
import builtins
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_args

import gymnasium as gym
import pytest

import hocket
from hocket.public import PUBLIC, homes, outline
from hocket.reference import api_page

ROOT = Path(__file__).parent.parent
SCREEN = 96  # six columns of sixteen lines
packages = pytest.mark.parametrize("package", PUBLIC)


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# -- the table and the packages ---------------------------------------------------------------------------------


@packages
def test_a_package_has_the_names_of_the_table_and_no_others(package):
    module = import_module(package)
    assert module.__all__ == list(homes(package))
    assert dir(module) == sorted([*homes(package), *(["__version__"] if package == "hocket" else [])])
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_names_of_hocket_fit_a_screen():
    assert len(dir(hocket)) <= SCREEN


@packages
def test_no_submodule_shadows_a_public_name(package):
    module = import_module(package)
    submodules = {found.name for found in pkgutil.iter_modules(module.__path__)}
    own = {name for name, home in homes(package).items() if home != package}
    assert submodules & own == set()


@packages
def test_type_checkers_see_the_table(package):
    tree = ast.parse(Path(import_module(package).__file__).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    (block,) = [node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            assert alias.asname == alias.name, "the form that checkers take for a re-export"
            seen[alias.name] = statement.module
    assert seen == homes(package)


def test_a_name_means_one_thing():
    objects = {}
    for package in PUBLIC:
        for name, home in homes(package).items():
            assert objects.setdefault(name, home) == home, name


def test_the_docstring_shows_the_groups():
    assert outline("hocket") in hocket.__doc__
    for group, modules in PUBLIC["hocket"].items():
        assert f"{group}:" in hocket.__doc__
        for name in " ".join(modules.values()).split():
            assert re.search(rf"\b{name}\b", hocket.__doc__), name


def test_the_page_is_made_from_the_table():
    committed = (ROOT / "docs/api.md").read_text()
    assert committed == api_page(), "write it anew: python -m hocket.reference > docs/api.md"


def test_every_name_has_a_summary():
    empty = [line for line in api_page().splitlines() if line.endswith("|  |")]
    assert empty == []


def test_a_name_that_lives_elsewhere_is_pointed_to():
    with pytest.raises(AttributeError, match=r"'hocket' has no attribute 'DQN'; try hocket.learn.DQN"):
        _ = hocket.DQN
    with pytest.raises(AttributeError, match=r"'hocket' has no attribute 'nothing'$"):
        _ = hocket.nothing


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert hocket.__version__ == project["version"]


# -- imports ----------------------------------------------------------------------------------------------------


def test_importing_hocket_loads_no_part_that_was_not_asked_for():
    code = "import sys, hocket; print(*sorted(name for name in sys.modules if name.startswith('hocket')))"
    assert run_python(code).split() == ["hocket", "hocket.envs", "hocket.envs.registration", "hocket.public"]


@packages
def test_importing_a_package_loads_no_torch(package):
    code = f"import sys, {package}; from {package} import __all__; dir({package}); print('torch' in sys.modules)"
    assert run_python(code) == "False"


def test_names_of_the_parts_need_no_deep_paths():
    from hocket.learn import DQN, Rainbow
    from hocket.models import ImpalaNet, impala_trunk, mlp_trunk, q_network

    assert DQN.__name__ == "DQN" and Rainbow.__name__ == "Rainbow"
    assert ImpalaNet.__name__ == "ImpalaNet" and impala_trunk is not mlp_trunk
    trunk, features = mlp_trunk(4)
    assert q_network(trunk, features, 2)


@pytest.mark.slow
def test_functions_stay_functions_when_everything_is_imported():
    code = """
import importlib, pkgutil, hocket
for found in pkgutil.walk_packages(hocket.__path__, "hocket."):
    if "__main__" not in found.name:
        importlib.import_module(found.name)
print(*(name for name in hocket.__all__ if type(getattr(hocket, name)).__name__ == "module"))
"""
    assert run_python(code).split() == PUBLIC["hocket"]["Packages"]["hocket"].split()


def test_environments_are_registered_by_the_import():
    code = "import hocket, gymnasium; print(gymnasium.make('hocket/Null-v0').unwrapped.__class__.__name__)"
    assert run_python(code) == "NullEnv"
    own = sorted(id for id in gym.registry if id.startswith("hocket/"))
    assert own == [
        "hocket/Blocks-v0",
        "hocket/Catch-v0",
        "hocket/Duel-v0",
        "hocket/Null-v0",
        "hocket/PokemonBattles-v0",
        "hocket/PokemonCatching-v0",
        "hocket/Tetris-v0",
    ]
    for id in own:
        module, _, maker = gym.registry[id].entry_point.partition(":")
        assert callable(getattr(import_module(module), maker))


# -- signatures and errors --------------------------------------------------------------------------------------


def public_objects():
    for package in PUBLIC:
        for name, home in homes(package).items():
            if home != package:
                yield f"{package}.{name}", getattr(import_module(package), name)


OBJECTS = list(dict((id(found), (name, found)) for name, found in public_objects()).values())
PUBLIC_IDS = {id(found) for _, found in OBJECTS}


@cache
def checked_imports(module):
    """The imports of ``module`` for type checkers only: name → object."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in ast.walk(node):
                if isinstance(statement, ast.ImportFrom) and statement.module.split(".")[0] == "hocket":
                    for alias in statement.names:
                        found[alias.asname or alias.name] = getattr(import_module(statement.module), alias.name)
    return found


def types_in(found):
    """The classes of hocket that ``found``, a class or an alias, is made of."""
    if inspect.isclass(found) and not get_args(found):
        if found.__module__.split(".")[0] == "hocket":
            yield found
    elif id(found) not in PUBLIC_IDS:
        for part in get_args(found):
            yield from (kind for item in (part if isinstance(part, list) else [part]) for kind in types_in(item))


def private_types(annotation, module):
    """The names in ``annotation`` of classes of hocket that are not public, and of aliases that hide such."""
    if not isinstance(annotation, str):  # a NamedTuple holds forward references
        annotation = getattr(annotation, "__forward_arg__", getattr(annotation, "__name__", "None"))
    scope = vars(sys.modules[module])
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(node, ast.Name):
            found = scope.get(node.id, checked_imports(module).get(node.id))
            if any(id(kind) not in PUBLIC_IDS for kind in types_in(found)):
                yield node.id


HANDED_OUT = {"VirtualRun"}
"""Classes that only hocket constructs: the types of their constructors need not be public."""


def functions_of(found):
    """``found`` itself, or its constructor, public methods and properties."""
    if inspect.isfunction(found):
        yield found
    if inspect.isclass(found):
        for name, member in vars(found).items():
            member = getattr(member, "__func__", getattr(member, "fget", member))
            if inspect.isfunction(member) and (name == "__init__" or not name.startswith("_")):
                yield member


def test_every_type_in_a_public_signature_is_public():
    private = set()
    for name, found in OBJECTS:
        module = getattr(found, "__module__", None)
        if module not in sys.modules or not module.startswith("hocket."):
            continue  # an alias of a type from elsewhere
        if inspect.isclass(found):
            for field, annotation in vars(found).get("__annotations__", {}).items():
                if not field.startswith("_"):
                    private |= {f"{name}.{field}: {kind}" for kind in private_types(annotation, module)}
        for function in functions_of(found):
            if function.__module__ != module or (function.__name__ == "__init__" and found.__name__ in HANDED_OUT):
                continue  # made by a decorator, from the fields above
            for parameter, annotation in function.__annotations__.items():
                where = f"{name}, {function.__qualname__}({parameter})"
                private |= {f"{where}: {kind}" for kind in private_types(annotation, module)}
    assert private == set(), "\n".join(sorted(private))


RAISED = re.compile(r"^\s+(?!AssertionError)(\w+(?:Error|Interrupted)):", re.MULTILINE)


def raised_in(text):
    """The classes that the ``Raises:`` sections of a docstring name."""
    for section in re.findall(r"Raises:\n((?:[ \t]+\S.*\n?)+)", text or ""):
        yield from RAISED.findall(section)


def test_every_error_that_a_docstring_names_is_exported():
    named = set()
    for path in Path(hocket.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Module):
                named |= set(raised_in(ast.get_docstring(node)))
    named -= set(vars(builtins))
    assert {"ConfigurationError", "DivergenceError", "NotSolvedError", "RunInterrupted", "TraceError"} <= named
    assert named <= set(hocket.__all__)
    for name in named:
        base = KeyboardInterrupt if name == "RunInterrupted" else hocket.HocketError
        assert issubclass(getattr(hocket, name), base), name


def test_every_error_of_the_tree_is_exported():
    from hocket import errors

    assert {
        name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, Exception)
    } <= set(hocket.__all__)


ORDER = ["make_env", "env", "policy", "rule", "clock"]


def test_arguments_come_in_one_order():
    for name, found in OBJECTS:
        for function in functions_of(found):
            kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            given = [key for key, p in inspect.signature(function).parameters.items() if p.kind in kinds]
            ordered = [argument for argument in given if argument in ORDER]
            assert ordered == sorted(ordered, key=ORDER.index), (name, function.__qualname__, given)


TIMES = {
    "every",
    "delay",
    "seconds",
    "duration",
    "interval",
    "deadline",
    "latency_s",
    "timeout",
    "minutes",
    "ms",
    "time",
}
"""Names of times without a unit."""


def test_names_of_times_have_a_unit():
    bare = set()
    for name, found in OBJECTS:
        module = getattr(found, "__module__", "")
        for function in functions_of(found):
            if function.__module__ == module:
                bare |= {(name, key) for key in inspect.signature(function).parameters if bare_time(key)}
        if inspect.isclass(found):
            bare |= {(name, field) for field in vars(found).get("__annotations__", {}) if bare_time(field)}
    assert bare == set()


def bare_time(name):
    last = name.rpartition("_")[2]
    return last in TIMES and not name.startswith("_")
