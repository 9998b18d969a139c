"""Takes out of an answer, while it streams, what would lead its reader away from the documents.

A document can tell a model to end its answer with an image whose address carries what the model has read;
an application that shows Markdown fetches it without a click. So an address is shown only where it stands
in the passages or the question, as plain text; images, links and HTML that could load something never
stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REMOVED = "(link removed)"
"""Stands in the place of an address that is in none of the passages."""

MAX_HELD_CHARACTERS = 2048
"""Most characters kept back while an address is not at its end; what is longer is taken out."""

_ADDRESS_END = re.compile(r"[\s<>\"'`|\\^{}\[\]]")
_ADDRESS = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://|(?<![A-Za-z0-9])www\.)[^\s<>\"'`|\\^{}\[\]]+", re.IGNORECASE
)
_CLOSING = ".,;:!?)*_~。，；：！？）"  # ends the sentence around an address, not the address
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*$")
_EVENT = re.compile(r"://|\]\(|<|(?<=[Ww]{3})\.")
_MAYBE_EVENT = (":", ":/", "]")  # at the end of what has come, the rest of an event may follow
_TARGET = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:|//|/|#|\.{1,2}/|www\.|[\w%-]+(?:\.[\w%-]+)+(?:[/?#:]|$)|\?", re.IGNORECASE
)
_OUTSIDE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|www\.|[\w%-]+(?:\.[\w%-]+)+", re.IGNORECASE)
_TAG = re.compile(r"</?(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<end>[^A-Za-z0-9])?")
_LOADING = frozenset(
    {
        "a", "area", "audio", "base", "body", "button", "div", "embed", "form", "frame", "frameset", "head",
        "html", "iframe", "image", "img", "input", "li", "link", "math", "meta", "object", "p", "picture",
        "portal", "script", "section", "source", "span", "style", "svg", "table", "td", "th", "tr", "track",
        "ul", "video",
    }
)  # fmt: skip
_LONGEST_TAG = 12
_TAIL = 64


def addresses(texts: Iterable[str]) -> frozenset[str]:
    """Every address that stands in one of the texts."""
    return frozenset(match.group().rstrip(_CLOSING) for text in texts for match in _ADDRESS.finditer(text))


class LinkFilter:
    """Passes text on without links; what comes out does not depend on how it was cut into pieces."""

    def __init__(self, known: frozenset[str]) -> None:
        """`known` addresses may be shown, as text."""
        self._known = known
        self._held = ""
        self._tail = ""  # what was passed on last
        self._kind = ""  # of the event under way: "://", "](", "<", "."; empty in plain text
        self._skipping = False
        self.removed = 0
        """Addresses taken out so far."""

    def feed(self, delta: str) -> str:
        """Takes the next piece; returns what can be shown by now."""
        self._held += delta
        shown: list[str] = []
        while self._step(shown, final=False):
            pass
        return "".join(shown)

    def finish(self) -> str:
        """Ends the text; returns the rest."""
        shown: list[str] = []
        while self._step(shown, final=True):
            pass
        return "".join(shown)

    def _step(self, shown: list[str], *, final: bool) -> bool:
        """Decides as much as it can at once; False when it has to wait for more."""
        if not self._held:
            return False
        if self._skipping:
            return self._skip()
        match self._kind:
            case "":
                return self._plain(shown, final=final)
            case "](":
                return self._destination(shown, final=final)
            case "<":
                return self._tag(shown, final=final)
            case _:
                return self._address(shown, final=final)

    def _plain(self, shown: list[str], *, final: bool) -> bool:
        context = self._tail + self._held
        event = _EVENT.search(context, len(self._tail))
        if event is not None:
            self._show(shown, event.start() - len(self._tail))
            self._kind = event.group()
            return True
        keep = 0 if final else max((len(m) for m in _MAYBE_EVENT if self._held.endswith(m)), default=0)
        self._show(shown, len(self._held) - keep)
        return False

    def _address(self, shown: list[str], *, final: bool) -> bool:
        """Behind `https` or `www`, which have been shown already."""
        lead = self._kind
        end = _ADDRESS_END.search(self._held, len(lead), MAX_HELD_CHARACTERS)
        if end is None and len(self._held) >= MAX_HELD_CHARACTERS:
            self._replace(shown, MAX_HELD_CHARACTERS, f" {REMOVED}")
            self._skipping = True
            return True
        if end is None and not final:
            return False
        written = self._held[: end.start() if end else len(self._held)]
        address = written.rstrip(_CLOSING)
        scheme = _SCHEME.search(self._tail)
        if len(address) <= len(lead) or (lead == "://" and scheme is None):
            self._show(shown, len(lead))  # nothing that leads anywhere
        elif (scheme.group() if scheme else "") + address in self._known and not self._is_definition(scheme):
            self._show(shown, len(address))
        else:
            self._replace(shown, len(address), f" {REMOVED}")
        self._kind = ""
        return True

    def _is_definition(self, scheme: re.Match[str] | None) -> bool:
        """Whether the address gives a reference such as `![x][1]` its target: `[1]: https://...`."""
        before = self._tail[: scheme.start()] if scheme else self._tail
        return before.rstrip(" \t<").endswith("]:")

    def _destination(self, shown: list[str], *, final: bool) -> bool:
        """Behind `]`: `(address)`, `(<address> "title")`, or brackets that are none of this."""
        end = _closing_bracket(self._held[:MAX_HELD_CHARACTERS])
        if end is None:
            is_long = len(self._held) >= MAX_HELD_CHARACTERS
            if not final and not is_long:
                return False
            if not _TARGET.match(self._held[2:].lstrip(" \n<")):
                self._show(shown, 2)
            else:
                self._replace(shown, min(len(self._held), MAX_HELD_CHARACTERS), "]")
                self._skipping = is_long
            self._kind = ""
            return True
        inside = self._held[2:end].strip().removeprefix("<")
        target = re.split(r"[\s>]", inside, maxsplit=1)[0] if inside else ""
        if not _TARGET.match(target):
            self._show(shown, 2)
        elif target in self._known:
            self._replace(shown, end + 1, f"] ({target})", is_loss=False)
        else:
            self._replace(shown, end + 1, "]", is_loss=_OUTSIDE.match(target) is not None)
        self._kind = ""
        return True

    def _tag(self, shown: list[str], *, final: bool) -> bool:
        tag = _TAG.match(self._held)
        undecided = (tag is not None and tag["end"] is None) or self._held in ("<", "</")
        if undecided and not final and len(self._held) < _LONGEST_TAG:
            return False
        if tag is not None and tag["name"].lower() in _LOADING:
            self._replace(shown, 1, "‹", is_loss=False)
        else:
            self._show(shown, 1)
        self._kind = ""
        return True

    def _skip(self) -> bool:
        """Drops the rest of an address that was too long to keep."""
        end = _ADDRESS_END.search(self._held)
        self._held = self._held[end.start() :] if end else ""
        if end:
            self._kind, self._skipping = "", False
        return bool(end)

    def _show(self, shown: list[str], length: int) -> None:
        self._replace(shown, length, self._held[:length], is_loss=False)

    def _replace(self, shown: list[str], length: int, text: str, *, is_loss: bool = True) -> None:
        self.removed += is_loss
        shown.append(text)
        self._tail = (self._tail + text)[-_TAIL:]
        self._held = self._held[length:]


def _closing_bracket(text: str) -> int | None:
    """Where the bracket that `](` opened is closed; None when it is still open."""
    depth = 0
    for index in range(1, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if depth == 0:
            return index
    return None
