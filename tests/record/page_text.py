"""A page as lines of text: what people read, where its links lead and what its forms send; no markup.

A refactoring may change how templates are cut and where views come from; what arrives must stay.
"""

import hashlib
from html.parser import HTMLParser

BLOCKS = frozenset(
    {
        *(
            "article",
            "aside",
            "body",
            "caption",
            "details",
            "div",
            "dl",
            "dt",
            "figcaption",
            "figure",
            "footer",
            "form",
        ),
        *("h1", "h2", "h3", "head", "header", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table"),
        *("tbody", "thead", "title", "tr", "ul"),
    }
)
CELLS = frozenset({"td", "th"})
APART = frozenset({"b", "bdi", "i", "label", "small", "span", "time"})
"""Inside a line, but set apart from what stands beside them by the style sheet."""
EMPTY = frozenset({"br", "img", "input", "link", "meta"})


def page_text(html: str) -> tuple[str, str]:
    """The page's own lines, and those of the frame that all pages share: what stands outside of `main`."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end_line()
    return "\n".join(reader.lines), "\n".join(reader.frame)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.frame: list[str] = []
        self._line = ""
        self._bullet = ""
        self._open: list[tuple[str, dict[str, str]]] = []
        self._drawing: list[str] | None = None

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in given}
        if self._drawing is not None:
            self._drawing.append(self.get_starttag_text() or "")
        if tag in BLOCKS:
            self.end_line()
        if tag not in EMPTY:
            self._open.append((tag, attributes))
        self._line += self._shown(tag, attributes)

    def _shown(self, tag: str, attributes: dict[str, str]) -> str:
        """What `tag` itself adds to its line."""
        if tag in {"h1", "h2", "h3"}:
            return "#" * int(tag[1]) + " "
        if tag == "title":
            return "title: "
        if tag == "meta" and attributes.get("name") == "description":
            return f"description: {attributes['content']} "
        if tag == "li":
            self._bullet = "- "
        if tag == "dd":
            return ": "
        if tag in APART and not self._is_code:
            return " "
        if tag in CELLS and self._line:
            return " | "
        if tag == "form":
            return f"form {attributes.get('method', 'get').upper()} {attributes['action']}: "
        if tag == "input":
            return self._input(attributes)
        if tag in {"textarea", "select"}:
            return f" [{attributes['name']}: {tag}] "
        if tag == "option":
            return " (*) " if "selected" in attributes else " ( ) "
        if tag == "img":
            return f" ![{attributes.get('alt', '')}]({attributes['src']}) "
        if tag in {"script", "link"}:
            return ""
        if tag == "svg":
            self._drawing = [self.get_starttag_text() or ""]
            label = attributes.get("aria-label", "")
            return f" [drawing: {label}" if label else " [drawing"
        if tag in {"button", "a"}:
            return "["
        return ""

    @staticmethod
    def _input(attributes: dict[str, str]) -> str:
        kind, name = attributes.get("type", "text"), attributes.get("name", "")
        if name == "csrf_token":
            return " [proof] "  # a secret of the session
        rules = [rule for rule in ("required", "checked") if rule in attributes]
        rules += [
            f"{rule}={attributes[rule]}" for rule in ("minlength", "maxlength", "min", "max") if rule in attributes
        ]
        value = f"={attributes['value']}" if attributes.get("value") else ""
        return f" [{' '.join((f'{name}{value}: {kind}', *rules))}] "

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS - {"dt"}:
            self.end_line()
        while self._open:
            last, attributes = self._open.pop()
            if last == "a":
                self._line += f"]({attributes.get('href', '')})"
            elif last == "button":
                self._line += "]"
            elif last == "svg":
                # How it is drawn, not only what it says: places and widths are all in its attributes.
                digest = hashlib.sha256("".join(self._drawing or ()).encode()).hexdigest()[:8]
                self._drawing = None
                self._line += f" #{digest}] "
            if last == tag:
                break

    @property
    def _is_code(self) -> bool:
        return any(tag == "pre" for tag, _ in self._open)

    def handle_data(self, data: str) -> None:
        if any(tag in {"script", "style"} for tag, _ in self._open):
            return
        first, *others = data.split("\n") if self._is_code else [data]
        self._line += first
        for line in others:
            self.end_line()
            self._line = line

    def end_line(self) -> None:
        """What was gathered becomes a line, unless there is nothing to be read in it."""
        tags = {tag for tag, _ in self._open}
        line = f"    {self._line}".rstrip() if self._is_code else self._bullet + " ".join(self._line.split())
        self._line = ""
        if line.strip(" -"):
            self._bullet = ""
            (self.frame if "body" in tags and "main" not in tags else self.lines).append(line)
