"""The source archive and the metadata of the package."""

import os
import re
import tarfile
import tomllib
from pathlib import Path

import pytest

from hocket.cli import EXTRAS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_source_archive_has_what_its_makefile_needs():
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    rules = [
        line.split(":")[1].split() for line in (ROOT / "Makefile").read_text().splitlines() if re.match(r"\$\(", line)
    ]
    needed = {word for words in rules for word in words if "." in word} - {"pyproject.toml"}  # that one always goes in
    assert needed == {"constraints.txt"}
    assert {*needed, "Makefile", "mkdocs.yml", "src", "tests", "docs", "examples", "roms"} <= set(included)
    assert all((ROOT / name).exists() for name in included)


@pytest.mark.slow
def test_a_source_archive_is_built_with_what_a_clone_has(tmp_path):
    build = pytest.importorskip("hatchling.build")
    here = Path.cwd()
    try:
        os.chdir(ROOT)
        archive = build.build_sdist(str(tmp_path))
    finally:
        os.chdir(here)
    with tarfile.open(tmp_path / archive) as opened:
        sizes = {Path(*Path(entry.name).parts[1:]).as_posix(): entry.size for entry in opened if entry.isfile()}
    needed = {
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "tests/conftest.py",
    }
    needed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py")}
    needed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert needed <= sizes.keys()
    assert all(sizes[name] == (ROOT / name).stat().st_size for name in needed)


def test_each_extra_of_the_command_line_is_one_of_the_package():
    assert EXTRAS.keys() <= PROJECT["project"]["optional-dependencies"].keys()


def test_versions_of_python():
    classifiers = PROJECT["project"]["classifiers"]
    assert [line[-4:] for line in classifiers if "Python :: 3." in line] == ["3.11", "3.12", "3.13"]
