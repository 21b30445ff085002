"""Graphs from the texts of dagitty and BIF: strict readers of what these formats say of nodes and edges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from ifm_ident.errors import InputError

_TOKEN = re.compile(
    r'(?P<blank>\s+|//[^\n]*|/\*.*?\*/)|"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<sign><->|->|<-|--|[{}\[\]();,=|])'
    r"|(?P<bare>[^\s\[\]{}();,=|\"<>-]+(?:-(?![->])[^\s\[\]{}();,=|\"<>-]*)*)",
    re.DOTALL,
)
_KINDS = ("dag", "digraph", "pdag", "mag", "pag", "graph")
MOST_NODES = 10_000


@dataclass
class GraphText:
    """What a text says: nodes with their attributes, directed edges, and pairs with a common hidden cause."""

    nodes: dict[str, dict[str, object]] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Token:
    line: int
    text: str
    sign: bool


class _Tokens:
    """The tokens of a text, one after the other; errors name the file and the line."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.tokens = [*self._read(text), _Token(text.count("\n") + 1, "", True)]
        self.at = 0

    def _read(self, text: str) -> Iterator[_Token]:
        at, line = 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise InputError(
                    f"{self.path}:{line}: {text[at : at + 20]!r} cannot be read here; remove it, or quote the name"
                )
            if found["blank"] is None:
                quoted = found["quoted"]
                words = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found["sign"] or found["bare"]
                yield _Token(line, words, found["sign"] is not None)
            line += found[0].count("\n")
            at = found.end()

    def refuse(self, wanted: str) -> NoReturn:
        token = self.tokens[self.at]
        raise InputError(
            f"{self.path}:{token.line}: {wanted} comes here, got {token.text[:40]!r}"
            if token.text
            else f"{self.path}:{token.line}: {wanted} comes here, and the text ends"
        )

    def sign(self, *signs: str) -> str:
        """The sign that comes next if it is one of these; "" else."""
        token = self.tokens[self.at]
        if token.sign and token.text in signs and token.text:
            self.at += 1
            return token.text
        return ""

    def need(self, sign: str) -> None:
        if not self.sign(sign):
            self.refuse(f"`{sign}`")

    def name(self, wanted: str) -> str:
        token = self.tokens[self.at]
        if token.sign or not token.text:
            self.refuse(wanted)
        self.at += 1
        return token.text

    def word(self, word: str) -> bool:
        token = self.tokens[self.at]
        if not token.sign and token.text.lower() == word:
            self.at += 1
            return True
        return False

    def skip_block(self) -> None:
        """What stands between braces, the first of which was read."""
        depth = 1
        while depth:
            if self.at == len(self.tokens) - 1:
                self.refuse("`}`")
            depth += {"{": 1, "}": -1}.get(self.tokens[self.at].text, 0) if self.tokens[self.at].sign else 0
            self.at += 1

    @property
    def ended(self) -> bool:
        return self.at == len(self.tokens) - 1


def dagitty_graph(path: Path, text: str) -> GraphText:
    """The graph of dagitty's text, `dag { A [exposure] A -> B <-> C }`.

    Nodes have the attributes in brackets (`exposure`, `outcome`, `latent`). Raises InputError, with file and line,
    for edges without a direction and what cannot be read.

    >>> found = dagitty_graph(Path("g.txt"), "dag { A [exposure] ; A -> {B C} <- D ; B <-> C }")
    >>> found.edges, found.hidden, found.nodes["A"]
    ([('A', 'B'), ('A', 'C'), ('D', 'B'), ('D', 'C')], [('B', 'C')], {'exposure': True})
    """
    tokens, found = _Tokens(path, text), GraphText()
    if not any(map(tokens.word, _KINDS)):
        tokens.refuse("`dag {`")
    if not tokens.sign("{"):
        tokens.name("a name or `{`")
        tokens.need("{")
    while not tokens.sign("}"):
        if not tokens.sign(";", ","):
            _statement(tokens, found)
    if not tokens.ended:
        tokens.refuse("nothing more")
    return found


def _statement(tokens: _Tokens, found: GraphText) -> None:
    """`A [latent]`, `bb = "0,0,1,1"` or a chain of edges."""
    line = tokens.tokens[tokens.at].line
    left = _ends(tokens, found)
    if len(left) == 1 and tokens.sign("="):
        tokens.name("a value")
        return
    for name in left:
        found.nodes.setdefault(name, {})
    if tokens.sign("["):
        for key, value in _attributes(tokens):
            for name in left:
                found.nodes[name][key] = value
    while sign := tokens.sign("->", "<-", "<->", "--"):
        right = _ends(tokens, found)
        for name in right:
            found.nodes.setdefault(name, {})
        for a in left:
            for b in right:
                if sign == "--":
                    words = f"the edge of {a} and {b} has no direction; write {a} -> {b} or {b} -> {a}"
                    raise InputError(f"{tokens.path}:{line}: {words}")
                if sign == "<->":
                    found.hidden.append((a, b))
                else:
                    found.edges.append((a, b) if sign == "->" else (b, a))
        if tokens.sign("["):
            [*_attributes(tokens)]
        left = right
    if len(found.nodes) > MOST_NODES:
        raise InputError(
            f"{tokens.path}: more than {MOST_NODES:,} nodes; a study of so many variables is no graph by hand"
        )


def _ends(tokens: _Tokens, found: GraphText) -> list[str]:
    if not tokens.sign("{"):
        return [_node(tokens, "the name of a node")]
    names = []
    while not tokens.sign("}"):
        if not tokens.sign(";", ","):
            names.append(_node(tokens, "the name of a node or `}`"))
    return names


def _node(tokens: _Tokens, wanted: str) -> str:
    name = tokens.name(wanted)
    if name.startswith("@"):  # the mark of an end that is not known, as in `A @-> B`
        tokens.at -= 1
        tokens.refuse("`->`, `<-`, `<->` or a name, for an end marked `@` tells no direction,")
    return name


def _attributes(tokens: _Tokens) -> Iterator[tuple[str, object]]:
    while not tokens.sign("]"):
        if tokens.sign(",", ";"):
            continue
        key = tokens.name("an attribute or `]`")
        yield key, tokens.name("a value") if tokens.sign("=") else True


def bif_graph(path: Path, text: str) -> GraphText:
    """The graph of a Bayesian network in BIF: its variables with their states, and who is whose parent.

    Numbers of the tables are not read. Raises InputError, with file and line, for what cannot be read and for a
    parent that is no variable.

    >>> found = bif_graph(Path("g.bif"), '''
    ... network unknown { }
    ... variable A { type discrete [ 2 ] { no, yes }; property intervention = true ; }
    ... variable B { type discrete [ 2 ] { 0, 1 }; }
    ... probability ( A ) { table 0.2, 0.8 ; }
    ... probability ( B | A ) { (no) 0.5, 0.5; (yes) 0.1, 0.9; }
    ... ''')
    >>> found.edges, found.nodes["A"]
    ([('A', 'B')], {'levels': ['no', 'yes'], 'intervention': 'true'})
    """
    tokens, found = _Tokens(path, text), GraphText()
    seen: set[str] = set()
    while not tokens.ended:
        line = tokens.tokens[tokens.at].line
        if tokens.word("network"):
            if not tokens.sign("{"):
                tokens.name("the name of the network")
                tokens.need("{")
            tokens.skip_block()
        elif tokens.word("variable"):
            name = tokens.name("the name of a variable")
            if name in found.nodes:
                raise InputError(f"{path}:{line}: the variable {name!r} is there twice; remove one")
            tokens.need("{")
            found.nodes[name] = dict(_variable(tokens))
        elif tokens.word("probability"):
            tokens.need("(")
            child = tokens.name("the name of a variable")
            if child in seen:
                raise InputError(f"{path}:{line}: the probability of {child!r} is there twice; remove one")
            seen.add(child)
            parents = []
            tokens.sign("|")
            while not tokens.sign(")"):
                if not tokens.sign(","):
                    parents.append(tokens.name("the name of a parent or `)`"))
            for name in (child, *parents):
                if name not in found.nodes:
                    raise InputError(f"{path}:{line}: {name!r} is no variable of the network; declare it before")
            found.edges += [(parent, child) for parent in parents]
            tokens.need("{")
            tokens.skip_block()
        else:
            tokens.refuse("`network`, `variable` or `probability`")
    if not found.nodes:
        raise InputError(f"{path}: there is no variable; a network has some")
    return found


def _variable(tokens: _Tokens) -> Iterator[tuple[str, object]]:
    """What stands in the braces of a variable: its states, and properties `NAME = VALUE`."""
    while not tokens.sign("}"):
        if tokens.sign(";"):
            continue
        if tokens.word("type"):
            tokens.name("`discrete`")
            count = ""
            if tokens.sign("["):
                count = tokens.name("the number of states")
                tokens.need("]")
            tokens.need("{")
            states = []
            while not tokens.sign("}"):
                if not tokens.sign(","):
                    states.append(tokens.name("a state or `}`"))
            if count and count != str(len(states)):
                tokens.refuse(f"after {len(states)} states, of which the text says {count}, nothing")
            yield "levels", states
        elif tokens.word("property"):
            words = []
            while not tokens.sign(";"):
                if tokens.ended or tokens.tokens[tokens.at].text == "}":
                    tokens.refuse("`;`")
                words.append(tokens.tokens[tokens.at].text)
                tokens.at += 1
            key, _, value = " ".join(words).partition("=")
            yield key.strip(), value.strip()
        else:
            tokens.refuse("`type`, `property` or `}`")
