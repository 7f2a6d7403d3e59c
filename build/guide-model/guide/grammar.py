"""The little grammar of the wording files: (a|b) chooses, [a] may be left out, <word> names a macro."""

import random
import re


class Grammar:
    """Samples sentences of patterns. `tidy` mends spaces (English) or leaves them alone (Chinese)."""

    def __init__(self, macros, tidy):
        self.macros = {name: _parse(pattern) for name, pattern in macros.items()}
        self.tidy = tidy
        self.parsed = {}

    def sample(self, pattern, rng):
        node = self.parsed.get(pattern)
        if node is None:
            node = self.parsed[pattern] = _parse(pattern)
        text = "".join(self._walk(node, rng))
        if self.tidy:
            text = re.sub(r"\s+", " ", text).strip()
            text = re.sub(r" ([,.?!])", r"\1", text)
        return text

    def _walk(self, node, rng):
        kind, value = node
        if kind == "text":
            yield value
        elif kind == "all":
            for part in value:
                yield from self._walk(part, rng)
        elif kind == "one":
            yield from self._walk(value[int(rng.random() * len(value))], rng)
        elif kind == "maybe":
            if rng.random() < 0.5:
                yield from self._walk(value, rng)
        else:
            macro = self.macros.get(value)
            if macro is None:
                raise KeyError(f"no macro <{value}>")
            yield from self._walk(macro, rng)

    def check(self, pattern):
        """Every macro that the pattern names exists, and its brackets match."""
        rng = random.Random(0)
        for _ in range(3):
            self.sample(pattern, rng)


def _parse(pattern):
    node, end = _alternatives(pattern, 0, "")
    if end != len(pattern):
        raise ValueError(f"unbalanced: {pattern}")
    return node


def _alternatives(text, at, closing):
    options, parts = [], []
    while at < len(text) and text[at] not in closing:
        char = text[at]
        if char in "([":
            inner, at = _alternatives(text, at + 1, ")" if char == "(" else "]")
            if at >= len(text):
                raise ValueError(f"unbalanced: {text}")
            parts.append(inner if char == "(" else ("maybe", inner))
            at += 1
        elif char == "<" and re.match(r"<[A-Za-z]+>", text[at:]):
            end = text.index(">", at)
            parts.append(("macro", text[at + 1 : end]))
            at = end + 1
        elif char == "|" and closing == "":
            raise ValueError(f"| outside of brackets: {text}")
        elif char == "|":
            options.append(("all", parts))
            parts = []
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in "([|<" + closing:
                end += 1
            end = max(end, at + 1)
            parts.append(("text", text[at:end]))
            at = end
    options.append(("all", parts))
    return (("one", options) if len(options) > 1 else options[0]), at
