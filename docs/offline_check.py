"""Hook of the site's build: fails if a page would fetch anything from elsewhere when it is viewed."""

from html.parser import HTMLParser
from pathlib import Path

from mkdocs.exceptions import PluginError

FETCHES = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""The attribute by which a tag makes the browser fetch something."""


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


def on_post_build(config) -> None:  # type: ignore[no-untyped-def]
    """MkDocs calls this once the site is written."""
    if found := external(Path(config["site_dir"])):
        raise PluginError("pages fetch from elsewhere; use files in docs/ instead: " + "; ".join(found))
