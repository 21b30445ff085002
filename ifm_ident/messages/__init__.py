"""Message passing on junction trees (docs/theory/messages.md)."""

from ifm_ident.messages.trees import Graph, JunctionTree, junction_tree

__all__ = [
    "Graph",
    "JunctionTree",
    "junction_tree",
]
