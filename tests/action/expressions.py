"""The expressions of GitHub Actions, as far as action.yml has them: contexts, `==`, `!=`, `!`,
`&&`, `||`, parentheses, literals and a few functions. Anything else is an error, so that nothing
is taken for something it is not.
https://docs.github.com/actions/reference/evaluate-expressions-in-workflows-and-actions
"""

import json
import re

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<sign>==|!=|&&|\|\||[!().,]))"
)


def text(value):
    """A value where text is wanted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def interpolate(template, contexts, functions):
    """A text with its `${{ }}` filled in; one that is nothing else keeps its type."""
    parts = re.split(r"\$\{\{(.*?)\}\}", str(template), flags=re.DOTALL)
    values = [part if i % 2 == 0 else evaluate(part, contexts, functions) for i, part in enumerate(parts)]
    if len(values) == 3 and values[0] == values[2] == "":
        return values[1]
    return "".join(text(value) for value in values)


def evaluate(source, contexts, functions):
    return Parser(source, contexts, functions).whole()


class Parser:
    def __init__(self, source, contexts, functions):
        self.source, self.contexts, self.functions = source, contexts, functions
        self.tokens, at = [], 0
        end = len(source.rstrip())
        while at < end:
            match = TOKEN.match(source, at)
            if not match:
                raise ValueError(f"not an expression: {source!r} at {at}")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()
        self.at = 0

    def whole(self):
        value = self.any_of()
        if self.at != len(self.tokens):
            raise ValueError(f"not an expression: {self.source!r}")
        return value

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, None)

    def take(self, sign):
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def any_of(self):
        value = self.all_of()
        while self.take("||"):
            other = self.all_of()
            value = value if value else other
        return value

    def all_of(self):
        value = self.compared()
        while self.take("&&"):
            other = self.compared()
            value = other if value else value
        return value

    def compared(self):
        value = self.not_()
        for sign in ("==", "!="):
            if self.take(sign):
                same = equal(value, self.not_())
                return same if sign == "==" else not same
        return value

    def not_(self):
        return not self.not_() if self.take("!") else self.single()

    def single(self):
        if self.take("("):
            value = self.any_of()
            if not self.take(")"):
                raise ValueError(f"a parenthesis is open: {self.source!r}")
            return value
        kind, word = self.peek()
        self.at += 1
        if kind == "string":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return float(word)
        if kind != "name":
            raise ValueError(f"not an expression: {self.source!r}")
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        return self.call(word) if self.take("(") else self.context(word)

    def call(self, name):
        arguments = []
        while not self.take(")"):
            arguments.append(self.any_of())
            self.take(",")
        known = {
            "format": lambda pattern, *values: re.sub(
                r"\{(\d+)\}", lambda m: text(values[int(m.group(1))]), pattern
            ),
            "fromJSON": json.loads,
            "contains": lambda where, what: text(what).lower() in text(where).lower(),
            "startsWith": lambda where, what: text(where).lower().startswith(text(what).lower()),
            **self.functions,
        }
        if name not in known:
            raise ValueError(f"an unknown function: {name}")
        return known[name](*arguments)

    def context(self, name):
        if name not in self.contexts:
            raise ValueError(f"an unknown context: {name}")
        value = self.contexts[name]
        while self.take("."):
            _, field = self.peek()
            self.at += 1
            value = value.get(field) if isinstance(value, dict) else None
        return value


def equal(a, b):
    """Texts are compared without case; what is not of one type becomes a number."""
    if isinstance(a, str) and isinstance(b, str):
        return a.lower() == b.lower()
    if type(a) is type(b):
        return a == b
    return number(a) == number(b)


def number(value):
    if isinstance(value, str):
        try:
            return float(value) if value.strip() else 0.0
        except ValueError:
            return float("nan")
    return float(value or 0)
