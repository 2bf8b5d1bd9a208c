"""Every code block and command of README and docs runs and prints the documented text, and links have targets.

The blocks of a page run in order, in one process and one empty folder, as if typed into one session. Comments in the
Markdown, on the line before a block, say how:

    <!-- not run: reason -->            it cannot run here
    <!-- run: realtime -->              it needs the wall clock
    <!-- run: slow -->                  it takes more than some seconds
    <!-- run: WORD => WORD -->          with these words for those, to make it small
    <!-- printed -->                    before a block of text: what the block before it prints, exactly
    <!-- reaches: RETURN -->            its training, as documented, comes to a final mean return of at least so many
    <!-- reaches: RETURN with WORD => WORD -->  likewise, with these words for those
    <!-- not learned: reason -->        its training promises no return

Every block that trains has one of the last three.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNABLE = {"python": "python", "py": "python", "sh": "sh", "bash": "sh", "console": "sh"}
COMMENT = re.compile(r"<!-- (not run|run|printed|reaches|not learned)(?:: (.*))? -->")
FENCE = re.compile(r"^```(\w*)\s*$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    line: int
    kind: str
    """``python`` or ``sh``."""
    source: str
    options: tuple[str, ...] = ()
    printed: str | None = None
    run: bool = True
    reaches: str | None = None
    learned: bool = True
    """False if its training promises nothing."""

    @property
    def trains(self) -> bool:
        """True if it has a training."""
        return any(call in self.source for call in ("hocket train ", "hocket.train("))


def blocks(page: Path) -> list[Block]:
    """The blocks of ``page`` to run, in order."""
    return [block for block in all_blocks(page) if block.run]


def all_blocks(page: Path) -> list[Block]:
    """Every block of code or commands in ``page``, in order."""
    found: list[Block] = []
    comments: list[tuple[str, str]] = []
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    for number, line in lines:
        if match := COMMENT.fullmatch(line.strip()):
            comments.append((match[1], match[2] or ""))
        elif match := FENCE.match(line):
            body = []
            for _, inner in lines:
                if inner.startswith("```"):
                    break
                body.append(inner)
            source = "\n".join(body) + "\n"
            kinds = [kind for kind, _ in comments]
            if "printed" in kinds:
                last = found.pop()
                assert last.printed is None
                found.append(replace(last, printed=source))
            elif match[1] in RUNNABLE:
                block = Block(
                    line=number,
                    kind=RUNNABLE[match[1]],
                    source=source,
                    options=tuple(text for kind, text in comments if kind == "run"),
                    run="not run" not in kinds,
                    reaches=next((text for kind, text in comments if kind == "reaches"), None),
                    learned="not learned" not in kinds,
                )
                found.append(block)
            comments = []
        elif line.strip():
            comments = []
    return found


def marks(page: Path) -> list[pytest.MarkDecorator]:
    """The markers of a page: those of its blocks."""
    names = {option for block in blocks(page) for option in block.options if "=>" not in option}
    assert names <= {"realtime", "slow"}, names
    return [getattr(pytest.mark, name) for name in sorted(names)]


def shortened(block: Block) -> str:
    """The block's source with the words that its options give."""
    source = block.source
    for option in block.options:
        if "=>" in option:
            old, new = (word.strip() for word in option.split("=>"))
            assert old in source, f"line {block.line}: {old!r} is not in the block"
            source = source.replace(old, new)
    return source


RUNNER = """
import contextlib, io, json, os, subprocess, sys
blocks = json.loads(sys.argv[1])
printed = []
for line, kind, source in blocks:
    out = io.StringIO()
    try:
        if kind == "python":
            with contextlib.redirect_stdout(out):
                exec(compile("\\n" * line + source, sys.argv[2], "exec"), globals())
        else:
            for command in source:
                done = subprocess.run(command, capture_output=True, text=True)
                out.write(done.stdout)
                if done.returncode:
                    raise SystemExit(f"{sys.argv[2]}, line {line}: {command} failed: {done.stdout}{done.stderr}")
    finally:
        printed.append(out.getvalue())
        with open(sys.argv[3], "w") as file:
            json.dump(printed, file)
"""
"""Given as a command, so that a page's definitions belong to no file, as in an interactive session."""


def commands(source: str) -> list[list[str]]:
    """The command lines of a shell block; ``hocket`` and ``python`` are those that run the tests."""
    found = []
    for line in source.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] in ("hocket", "python", "python3"), f"{line!r}: mark it <!-- not run: reason -->"
            assert not {"|", ">", "&&", ";", "&"} & set(words), f"{line!r}: one plain command a line"
            found.append([sys.executable, *(["-m", "hocket"] if words[0] == "hocket" else []), *words[1:]])
    return found


def run_page(page: Path, folder: Path) -> list[str]:
    """Run all of a page; returns the output of each block."""
    (folder / "examples").symlink_to(ROOT / "examples")
    steps = []
    for block in blocks(page):
        source = shortened(block)
        steps.append((block.line, block.kind, source if block.kind == "python" else commands(source)))
    results = folder / "printed.json"
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, json.dumps(steps), str(page), str(results)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg", "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    printed: list[str] = json.loads(results.read_text())
    return printed


def name(page: Path) -> str:
    """Of a page, in test ids."""
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=name(page), marks=marks(page)) for page in PAGES if blocks(page)]
)
def test_code_blocks_run_and_print_the_documented_text(page, tmp_path):
    printed = run_page(page, tmp_path)
    for block, got in zip(blocks(page), printed, strict=True):
        if block.printed is not None:
            assert _plain(got) == _plain(block.printed), f"line {block.line}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_training_says_what_it_reaches(page):
    for block in all_blocks(page):
        if block.trains:
            assert (block.reaches is None) != block.learned, f"line {block.line}: reaches, or not learned: reason"


TRAININGS = [(page, block) for page in PAGES for block in all_blocks(page) if block.reaches is not None]


@pytest.mark.training
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("page", "block"), [pytest.param(*each, id=f"{name(each[0])}-{each[1].line}") for each in TRAININGS]
)
def test_a_documented_training_reaches_its_return(page, block, tmp_path):
    assert block.reaches is not None
    least, _, words = block.reaches.partition(" with ")
    documented = replace(block, options=(words,) if words else ())
    source = shortened(documented)
    before = [each for each in blocks(page) if each.line < block.line and each.kind == block.kind == "python"]
    if block.kind == "python":
        # Those before it define what it uses; in one session, as on the page.
        source = "".join(shortened(each) for each in before) + source + f"\nassert result.final.mean >= {least}\n"
        script = [sys.executable, "-c", source]
    else:
        (command,) = [each for each in commands(source) if "train" in each and "--resume" not in each]
        script = [*command, "--json", "figures.json"]
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    if block.kind == "sh":
        assert json.loads((tmp_path / "figures.json").read_text())["final_mean"] >= float(least)


def _plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def anchors(page: Path) -> set[str]:
    """The anchors of ``page``, as MkDocs makes them from its headings."""
    found, fenced = set(), False
    for line in page.read_text().splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (match := re.match(r"#+ (.*)", line)):
            heading = re.sub(r"[`*]|\]\([^)]*\)|\[", "", match[1])
            slug = re.sub(r"[^\w\s-]", "", heading.encode("ascii", "ignore").decode()).strip().lower()
            found.add(re.sub(r"[-\s]+", "-", slug))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), target
        if page.is_relative_to(ROOT / "docs"):
            assert there.is_relative_to(ROOT / "docs"), f"{target} is no part of the site"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_are_included_by_marks_that_mkdocs_reads(page):
    for line in page.read_text().splitlines():
        if line.strip().startswith("--8"):
            assert (match := re.fullmatch(r'--8<-- "(.+)"', line)), line
            assert (ROOT / match[1]).exists()


@pytest.mark.parametrize("script", sorted((ROOT / "docs" / "diagrams").glob("*.py")), ids=name)
def test_diagrams_are_what_the_code_does(script):
    """The committed pictures equal those that their script draws."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, {script.stem} as s; print(json.dumps(s.pictures()))"],
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    drawn = json.loads(done.stdout)
    assert drawn
    for file, svg in drawn.items():
        assert svg == (ROOT / "docs" / "images" / file).read_text(), f"run python docs/diagrams/{script.name}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("0*.md")), ids=name)
def test_decisions_have_status_and_date(page):
    title, empty, status, date, after = page.read_text().split("\n", 4)
    assert re.fullmatch(rf"# {int(page.name[:4])}\. .+", title)
    assert empty == ""
    assert re.fullmatch(r"Status: (accepted|superseded by \[.+\]\(.+\))<br>", status)
    assert re.fullmatch(r"Date: \d{4}-\d\d-\d\d", date)
    assert after.startswith("\n")
