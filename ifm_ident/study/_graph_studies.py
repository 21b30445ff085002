"""Studies from directed graphs: one factor for each variable with its parents; and studies as graphs."""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ifm_ident.design.model import Model, legal_name
from ifm_ident.errors import InputError, MissingExtraError, nearest
from ifm_ident.files import note_input
from ifm_ident.limits import read_bytes, require_regular
from ifm_ident.study._graph_texts import MOST_NODES, GraphText, bif_graph, dagitty_graph
from ifm_ident.study.reading.missing_files import missing_file

if TYPE_CHECKING:
    import networkx as nx

GRAPH_SUFFIXES = (".graphml", ".dot", ".gv", ".txt", ".dagitty", ".bif")
_MOST_DOT = 500_000
_MOST_ALL = 512
_MOST_PAIRS = 200_000
_SHOWN = 8
_BY_NAME = re.compile(r"(?:sigma_|σ_)(?P<sigma>.+)|do\((?P<do>.+)\)")
_ROLES = ("intervention", "regime", "decision", "action")


def read_graph(path: str | Path) -> nx.MultiDiGraph:
    """The directed graph of a file: GraphML, DOT (needs pydot), dagitty text or BIF, told apart by the suffix.

    Nodes are texts. A common hidden cause, dagitty's `A <-> B`, is a node with the attribute `latent`. Raises
    InputError that names the file for what cannot be read, edges without direction and unknown suffixes.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "g.txt"
    >>> _ = file.write_text("dag { A -> B }")
    >>> list(read_graph(file).edges())
    [('A', 'B')]
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in GRAPH_SUFFIXES:
        raise InputError(f"{path}: graphs end in {', '.join(GRAPH_SUFFIXES)}; save it as one")
    note_input(path)
    require_regular(path, "study")
    if path.is_dir():
        raise InputError(f"{path}: this is a directory, not a graph")
    if not path.exists():
        raise missing_file(path, GRAPH_SUFFIXES)
    try:
        text = read_bytes(path, "study").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte offset {error.start} is not UTF-8; save the graph as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: the graph cannot be read ({error.strerror})") from None
    if suffix == ".graphml":
        return _graphml(path, text)
    if suffix in (".dot", ".gv"):
        return _built(_dot(path, text))
    return _built(bif_graph(path, text) if suffix == ".bif" else dagitty_graph(path, text))


def _built(found: GraphText) -> nx.MultiDiGraph:
    import networkx as nx

    graph = nx.MultiDiGraph()
    for name, attributes in found.nodes.items():
        graph.add_node(name, attributes=attributes)
    graph.add_edges_from(found.edges)
    for a, b in found.hidden:
        name = f"hidden cause of {a} and {b}"
        graph.add_node(name, attributes={"latent": True})
        graph.add_edges_from([(name, a), (name, b)])
    for _, held in graph.nodes(data=True):
        held.update(held.pop("attributes", {}))
    return graph


def _graphml(path: Path, text: str) -> nx.MultiDiGraph:
    import networkx as nx

    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text):
        raise InputError(f"{path}: the file declares a document type or entities, which are not read; remove them")
    try:
        graph = nx.parse_graphml(text, node_type=str)
    except RecursionError:
        raise InputError(f"{path}: this is nested too deeply to be GraphML") from None
    except Exception as error:  # networkx raises whatever its parser meets
        raise InputError(f"{path}: this is not GraphML ({' '.join(str(error).split())[:120]})") from None
    _require_all(path, text, graph)
    if not graph.is_directed() and not _is_factor_graph(graph):
        raise InputError(f'{path}: the graph has no directions; save it with edgedefault="directed"')
    labels = {node: str(held.get("label", "")).strip() for node, held in graph.nodes(data=True)}
    if all(labels.values()) and len(set(labels.values())) == len(labels):
        graph = nx.relabel_nodes(graph, labels)
    return graph


def _require_all(path: Path, text: str, graph: nx.MultiDiGraph) -> None:
    """InputError for nodes and edges of a second or nested graph, which networkx leaves out."""
    found = list(ElementTree.fromstring(text).iter())
    nodes = [one.get("id") for one in found if one.tag.rpartition("}")[2] == "node"]
    edges = [(one.get("source"), one.get("target")) for one in found if one.tag.rpartition("}")[2] == "edge"]
    lost = [repr(node) for node in nodes if node not in graph]
    lost += [f"{a!r} -> {b!r}" for a, b in edges if not graph.has_edge(a, b)]
    if lost:
        raise InputError(f"{path}: {lost[0]} stands in a second graph or in one inside a node; keep one graph")


def _dot(path: Path, text: str) -> GraphText:
    try:
        import pydot
    except ImportError:
        raise MissingExtraError("pydot", "graphs") from None
    if len(text) > _MOST_DOT:
        raise InputError(f"{path}: {len(text):,} characters of DOT (limit {_MOST_DOT:,}); save it as GraphML")
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyparsing renames its functions
            graphs = pydot.graph_from_dot_data(text)
    except Exception:  # pydot raises whatever its parser meets
        graphs = None
    if not graphs:
        at = re.search(r"line:([0-9]+)", said.getvalue())
        raise InputError(f"{path}{f':{at[1]}' if at else ''}: this is not DOT; write digraph {{ A -> B }}")
    if len(graphs) > 1:
        raise InputError(f"{path}: there are {len(graphs)} graphs; keep one")
    if graphs[0].get_type() != "digraph":
        raise InputError(f"{path}: the graph has no directions; write digraph {{ A -> B }}")
    found = GraphText()
    waiting = [graphs[0]]
    while waiting:
        graph = waiting.pop(0)
        for node in graph.get_nodes():
            name = _unquoted(node.get_name())
            if name not in ("node", "edge", "graph", "\\n"):
                held = {key: _unquoted(str(value)) for key, value in node.get_attributes().items()}
                found.nodes.setdefault(name, {}).update(held)
        for edge in graph.get_edges():
            for a in _dot_ends(edge.get_source()):
                for b in _dot_ends(edge.get_destination()):
                    found.edges.append((a, b))
        waiting.extend(graph.get_subgraphs())  # type: ignore[arg-type]  # a subgraph is read like a graph
    for a, b in found.edges:
        found.nodes.setdefault(a, {})
        found.nodes.setdefault(b, {})
    return found


def _dot_ends(end: Any) -> list[str]:
    """The nodes of an end of an edge: itself without its port, or those of a group in braces."""
    if isinstance(end, str):
        return [_unquoted(end if end.startswith('"') else end.partition(":")[0])]
    nodes = (
        end["nodes"] if isinstance(end, dict) or hasattr(end, "keys") else [n.get_name() for n in end.get_nodes()]
    )
    return [_unquoted(str(name)) for name in nodes]


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text


@dataclass(eq=False)
class GraphStudy:
    """A study as plain values, by a graph: interventions with their levels, variables, factors; and remarks."""

    interventions: dict[str, list[object]] = field(default_factory=dict)
    variables: list[str] = field(default_factory=list)
    covariates: list[str] = field(default_factory=list)
    factors: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The study, with the baseline and every intervention alone as what was run."""
        found: dict[str, Any] = {"interventions": self.interventions, "variables": self.variables}
        if self.covariates:
            found["covariates"] = self.covariates
        singles = [{name: level} for name, levels in self.interventions.items() for level in levels[1:]]
        count = math.prod(map(len, self.interventions.values()))
        few = len(singles) ** 2 <= _MOST_PAIRS
        return found | {
            "factors": self.factors,
            "train": [{}, *singles],
            "test": "all" if count <= _MOST_ALL else {"order": 2 if few else 1},
        }


def study_of_graph(graph: Any, interventions: Sequence[str] = ()) -> GraphStudy:
    """The factors of a directed graph: for each variable one over it and its parents, with what targets it.

    A node is an intervention if its attribute `intervention` is true, its `kind`, `type` or `role` is
    intervention, or its name is `sigma_X` or `do(X)`; its children are what it targets, or X without any; `levels`
    are its levels, 0 and 1 by default. interventions: variables that have one of their own, `sigma_X`. Without
    any, nodes that dagitty calls exposures have one, else all variables. A node with the attribute `latent` is
    summed out: the factors that hold it become one. Cycles are legal: factors are multiplied and normalised as a
    whole.

    Raises InputError for edges into an intervention and graphs without directions.

    >>> import networkx as nx
    >>> graph = nx.DiGraph([("A", "B"), ("sigma_A", "A"), ("do(B)", "B")])
    >>> [(one["name"], one["x"], one["sigma"]) for one in study_of_graph(graph).factors]
    [('A', ['A'], ['sigma_A']), ('B', ['B', 'A'], ['do(B)'])]
    """
    if not hasattr(graph, "predecessors"):
        if hasattr(graph, "nodes") and _is_factor_graph(graph):
            return _of_factor_graph(graph)
        kind = type(graph).__name__
        raise InputError(f"a study is made of a directed graph of networkx, or a factor graph, got a {kind}")
    names = {node: str(node) for node in graph.nodes}
    if len(set(names.values())) < len(names) or not all(name.strip() for name in names.values()):
        raise InputError("nodes of the graph have no name, or one in common as text; rename them")
    if len(names) > MOST_NODES:
        raise InputError(f"the graph has {len(names):,} nodes (limit {MOST_NODES:,})")
    found = GraphStudy()
    targets = _targets(graph, names, found)
    variables = [names[node] for node in graph.nodes if names[node] not in targets]
    latent = [
        names[node]
        for node, held in graph.nodes(data=True)
        if names[node] in variables and _is(held, ("latent", "hidden", "unobserved"))
    ]
    found.variables = [name for name in variables if name not in latent]
    if not found.variables:
        raise InputError("the graph has no variable that is seen; a study needs one")
    _add_own(graph, names, interventions, targets, found)
    scopes = []
    for node in graph.nodes:
        name = names[node]
        if name in variables:
            parents = [
                names[p]
                for p in dict.fromkeys(graph.predecessors(node))
                if names[p] in variables and names[p] != name
            ]
            scopes.append((name, [name, *parents], [s for s, children in targets.items() if name in children]))
    for hidden in latent:
        scopes = _summed_out(scopes, hidden)
        found.notes.setdefault("factors", []).append(
            f"{hidden!r} is hidden, and summed out: the factors that held it are one"
        )
    found.factors = [{"name": name, "x": x, "sigma": sigma} for name, x, sigma in scopes]
    cycle = _cycle(graph)
    if cycle:
        found.notes.setdefault("factors", []).append(
            f"the graph has a cycle, {' -> '.join(names[node] for node in cycle)}: factors are "
            f"multiplied and normalised as a "
            "whole, not solved as equations"
        )
    return found


def _targets(graph: Any, names: dict[Any, str], found: GraphStudy) -> dict[str, list[str]]:
    """Each intervention with the variables that it targets."""
    targets: dict[str, list[str]] = {}
    marked = {node: _mark(names[node], held, names.values()) for node, held in graph.nodes(data=True)}
    for node, by_name in marked.items():
        if by_name is None:
            continue
        name = legal_name(names[node])
        children = [names[child] for child in dict.fromkeys(graph.successors(node))]
        if list(graph.predecessors(node)):
            raise InputError(
                f"the intervention {names[node]!r} has the parent "
                f"{names[next(iter(graph.predecessors(node)))]!r}; interventions are set from outside: "
                f"turn the edge round, or remove it"
            )
        other = next((names[child] for child in graph.successors(node) if marked[child] is not None), None)
        if other is not None:
            raise InputError(
                f"the intervention {names[node]!r} targets the intervention {other!r}; it targets variables"
            )
        targets[names[node]] = children or ([by_name] if by_name else [])
        found.interventions[name] = _levels(names[node], graph.nodes[node])
        if name != names[node]:
            targets[name] = targets.pop(names[node])
    return targets


def _mark(name: str, held: dict[str, Any], known: Any) -> str | None:
    """The variable that the name of an intervention tells, or no text; None for a variable."""
    read = _BY_NAME.fullmatch(name)
    meant = (read["sigma"] or read["do"]) if read else ""
    if read and (meant in set(known) or name.startswith("do(")):
        return meant if meant in set(known) else ""
    kind = any(str(held.get(key, "")).lower() in _ROLES for key in ("kind", "type", "role"))
    return "" if kind or read or _is(held, ("intervention",)) else None


def _is(held: dict[str, Any], keys: Sequence[str]) -> bool:
    return any(str(held.get(key, "")).strip().lower() in ("true", "1", "yes") for key in keys)


def _levels(name: str, held: dict[str, Any]) -> list[object]:
    given = held.get("levels")
    if given is None:
        return [0, 1]
    items = given.split(",") if isinstance(given, str) else list(given)
    found: list[object] = []
    for item in items:
        text = str(item).strip()
        found.append(int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text) else text)
    if len(found) < 2:
        raise InputError(f"the levels of {name!r} are {given!r}; write two or more, the baseline first: 0,1")
    return found


def _add_own(
    graph: Any, names: dict[Any, str], asked: Sequence[str], targets: dict[str, list[str]], found: GraphStudy
) -> None:
    """An intervention of its own for each variable that was named; or else, where there is none, as guessed."""
    own = list(dict.fromkeys(asked))
    for name in own:
        if name not in found.variables:
            raise InputError(
                f"{name!r} is no variable of the graph; {nearest(name, found.variables)}", argument="intervention"
            )
    if not own and not targets:
        own = [
            names[node]
            for node, held in graph.nodes(data=True)
            if _is(held, ("exposure",)) and names[node] in found.variables
        ]
        why = (
            "the exposures"
            if own
            else "all variables: no node says that it is an intervention; remove those that cannot be made"
        )
        own = own or list(found.variables)
        found.notes.setdefault("interventions", []).append(f"one for each of {why}")
    for name in own:
        sigma = f"sigma_{legal_name(name)}"
        while sigma in targets or sigma in found.variables:
            sigma += "_"
        targets[sigma] = [name]
        found.interventions[sigma] = [0, 1]


def _summed_out(
    scopes: list[tuple[str, list[str], list[str]]], hidden: str
) -> list[tuple[str, list[str], list[str]]]:
    """The scopes without a variable: those that held it become one."""
    held = [scope for scope in scopes if hidden in scope[1]]
    x = [name for name in dict.fromkeys(name for scope in held for name in scope[1]) if name != hidden]
    sigma = list(dict.fromkeys(name for scope in held for name in scope[2]))
    left = [scope for scope in scopes if hidden not in scope[1]]
    if not x:
        return left
    name = next((scope[0] for scope in held if scope[0] != hidden), x[0])
    return [*left, (name, x, sigma)]


def _cycle(graph: Any) -> list[Any]:
    import networkx as nx

    try:
        edges = nx.find_cycle(graph)
    except nx.NetworkXNoCycle:
        return []
    return [*(edge[0] for edge in edges), edges[0][0]]


def sigma_graph(model: Model) -> nx.Graph:
    """The interventions, joined where some factor holds both; see `Study.sigma_graph`."""
    import networkx as nx

    graph = nx.Graph()
    for one in model.interventions:
        graph.add_node(one.name, levels=",".join(map(str, one.levels)))
    for factor in model.factors:
        for i, a in enumerate(factor.sigma):
            for b in factor.sigma[i + 1 :]:
                held = graph.edges[a, b]["factors"] if graph.has_edge(a, b) else ()
                graph.add_edge(a, b, factors=(*held, factor.name))
    return graph


def factor_graph(model: Model) -> nx.Graph:
    """The bipartite graph of factors and of what they hold; see `Study.factor_graph`."""
    import networkx as nx

    graph = nx.Graph()
    for one in model.interventions:
        graph.add_node(
            ("sigma", one.name), kind="intervention", name=one.name, levels=",".join(map(str, one.levels))
        )
    for key, kind, names in (("x", "variable", model.variables), ("z", "covariate", model.covariates)):
        graph.add_nodes_from(((key, name), {"kind": kind, "name": name}) for name in names)
    for factor in model.factors:
        graph.add_node(("f", factor.name), kind="factor", name=factor.name)
        for key, scope in (("x", factor.x), ("sigma", factor.sigma), ("z", factor.z)):
            graph.add_edges_from((("f", factor.name), (key, name)) for name in scope)
    return graph


def _is_factor_graph(graph: Any) -> bool:
    kinds = {held.get("kind") for _, held in graph.nodes(data=True)}
    return "factor" in kinds and kinds <= {"factor", "intervention", "variable", "covariate"}


def _of_factor_graph(graph: Any) -> GraphStudy:
    """The study of a factor graph as `factor_graph` makes it."""
    found = GraphStudy()
    held: dict[Any, tuple[str, str]] = {}
    for node, about in graph.nodes(data=True):
        held[node] = (about["kind"], str(about.get("name", node)))
    for node, (kind, name) in held.items():
        if kind == "intervention":
            found.interventions[name] = _levels(name, graph.nodes[node])
        elif kind == "factor":
            scopes: dict[str, list[str]] = {"variable": [], "intervention": [], "covariate": []}
            for other in graph.neighbors(node):
                if held[other][0] == "factor":
                    raise InputError(
                        f"the factors {name!r} and {held[other][1]!r} are joined; a factor is joined to what it "
                        f"holds"
                    )
                scopes[held[other][0]].append(held[other][1])
            entry: dict[str, Any] = {"name": name, "x": scopes["variable"], "sigma": scopes["intervention"]}
            found.factors.append(entry | ({"z": scopes["covariate"]} if scopes["covariate"] else {}))
        else:
            (found.variables if kind == "variable" else found.covariates).append(name)
    return found
