"""Message passing on junction trees (docs/theory/messages.md)."""

from ifm_ident.messages.junction_tree import Graph, JunctionTree, junction_tree

__all__ = [
    "Graph",
    "JunctionTree",
    "junction_tree",
]
