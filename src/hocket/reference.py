"""Prints the page of all public names, ``docs/api.md``: ``python -m hocket.reference``."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

from hocket.public import PUBLIC


def api_page() -> str:
    """The table of public names as Markdown, each with the first sentence of its documentation."""
    lines = [
        "# Public names",
        "",
        "Made from `hocket.public` by `python -m hocket.reference`. The names of `hocket` are its attributes "
        "(`hocket.run`); other packages have more names (`from hocket.learn import DQN`). Anything that is not listed "
        "here may change without notice.",
    ]
    for package, groups in PUBLIC.items():
        lines += ["", f"## {package}", "", _first_sentence(inspect.getdoc(import_module(package)) or "")]
        for title, modules in groups.items():
            lines += ["", f"### {title}", "", "| name | what it is |", "|---|---|"]
            for module, names in modules.items():
                lines += [f"| `{name}` | {summary(package, module, name)} |" for name in names.split()]
    return "\n".join(lines) + "\n"


def summary(package: str, module: str, name: str) -> str:
    """The first sentence of the documentation of ``name``."""
    found = import_module(f"{package}.{name}") if module == package else getattr(import_module(module), name)
    if isinstance(found, ModuleType) or inspect.isclass(found) or inspect.isfunction(found):
        documentation = inspect.getdoc(found) or ""
    else:  # a type alias or a constant: the string below its assignment
        documentation = _strings_below(module).get(name, "")
    return _first_sentence(documentation).replace("``", "`").replace("|", r"\|")


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    end = paragraph.find(". ")
    return paragraph if end < 0 else paragraph[: end + 1]


@cache
def _strings_below(module: str) -> dict[str, str]:
    """By name, the string literals after assignments in ``module``."""
    body: list[Any] = ast.parse(inspect.getsource(import_module(module))).body
    found: dict[str, str] = {}
    for assignment, after in pairwise(body):
        if isinstance(assignment, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = str(after.value.value)
    return found


if __name__ == "__main__":
    print(api_page(), end="")
