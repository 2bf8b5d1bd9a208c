"""Checks that a page is well formed and loads nothing from elsewhere."""

import json
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
OUTSIDE = re.compile(
    r"""(src|href|xlink:href|action)\s*=\s*["'](?!data:|\#)|url\(|@import|import\s*\(|fetch\(|XMLHttp"""
)


class Page(HTMLParser):
    """Its elements, texts and embedded data; raises on tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.texts, self._open = [], [], [], []
        self.text = text
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            if self.tags[-1][1].get("type") == "application/json":
                self.data.append(json.loads(data, parse_constant=lambda token: 1 / 0))
        elif self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def said(self):
        """All words."""
        return " ".join(self.texts)

    def count(self, tag, style=None):
        """The number of elements of this tag."""
        return sum(t == tag and (style is None or style in (a.get("class") or "").split()) for t, a in self.tags)

    def check(self):
        """No network, no NaN in a path, a title for every figure."""
        found = OUTSIDE.search(self.text)
        assert found is None, self.text[max(0, found.start() - 60) : found.end() + 60]
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                if tag in ("path", "rect", "circle", "text") and name in ("d", "x", "y", "width", "height", "cx", "cy"):
                    assert "nan" not in value and "inf" not in value, (tag, attributes)
                    if name in ("width", "height"):
                        assert float(value) >= 0, attributes
        assert self.count("figure") == self.count("figcaption") > 0
        return self
