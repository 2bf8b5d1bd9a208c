"""Hooks of the site's build: the reference pages, made from the table of public names; and a check that a page fetches
nothing from elsewhere when it is viewed."""

# mypy: disable-error-code="no-untyped-def"

import re
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from hocket.public import PUBLIC

FETCHES = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""The attribute by which a tag makes the browser fetch something."""


def reference_pages() -> dict[str, tuple[str, str]]:
    """Title and Markdown of each reference page, by its path: one for each group of `hocket`, and for each package.

    Every object is described once, where it is named first; later it is a link.
    """
    described: dict[str, str] = {}
    pages: dict[str, tuple[str, str]] = {}
    for package, groups in PUBLIC.items():
        whole = [f"# {package}\n"]
        for title, modules in groups.items():
            if title == "Packages":
                continue
            lines, again = [], []
            for module, names in modules.items():
                for name in names.split():
                    target = f"{module}.{name}"
                    if target in described:
                        again.append(f"[`{described[target]}`][{target}]")
                        continue
                    described[target] = heading = f"{package}.{name}"
                    lines.append(f"::: {target}\n    options:\n      heading: {heading}\n      toc_label: {name}\n")
            if again:
                lines.append(f"Also here: {', '.join(again)}.\n")
            if package == "hocket":
                slug = re.sub(r"\W+", "-", title.lower())
                pages[f"reference/{slug}.md"] = (title, "\n".join([f"# {title}\n", *lines]))
            else:
                whole += [f"## {title}\n", *lines]
        if package != "hocket":
            pages[f"reference/{package}.md"] = (package, "\n".join(whole))
    return pages


def on_config(config):
    """Put the reference pages behind the list of names in the navigation."""
    entries = [{title: path} for path, (title, _) in reference_pages().items()]
    section = next(entry for entry in config["nav"] if "Reference" in entry)
    section["Reference"] = [*section["Reference"], *entries]
    return config


def on_files(files, config):
    """Add the reference pages to the files of the site."""
    for path, (_, text) in reference_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


class Fetched(HTMLParser):
    """Collects what a page fetches from other hosts, as ``tag address``."""

    def __init__(self) -> None:
        super().__init__()
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(FETCHES.get(tag, "")) or ""
        if address.startswith(("http:", "https:", "//")):
            self.external.append(f"{tag} {address}")


def external(site: Path) -> list[str]:
    """``page: tag address`` of everything that the pages and style sheets of ``site`` fetch from other hosts."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = Fetched()
        parser.feed(page.read_text())
        found += [f"{page.relative_to(site)}: {address}" for address in parser.external]
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text()
        found += [
            f"{sheet.relative_to(site)}: {word}" for word in ("url(http", "url(//", '@import "http') if word in text
        ]
    return found


def on_post_build(config) -> None:
    """Fail if the finished site would fetch anything from elsewhere."""
    if found := external(Path(config["site_dir"])):
        raise PluginError("pages fetch from elsewhere; use files in docs/ instead: " + "; ".join(found))
