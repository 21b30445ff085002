"""Hypothesis strategies for random designs, in the plain tuples of `tests.oracles`."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.oracles import Codes, PlainDesign


@st.composite
def plain_designs(draw: st.DrawFn, max_interventions: int = 5, max_regimes: int = 48) -> PlainDesign:
    """1 to 5 interventions of 2 or 3 levels, 1 to 5 factors with any scopes, up to 14 training regimes.

    Sigma-scopes may be empty, in any order, repeated or leave interventions out; training regimes may repeat.
    Every variable is in some factor.
    """
    width = draw(st.integers(1, max_interventions))
    levels: list[int] = []
    total = 1
    for _ in range(width):
        levels.append(draw(st.sampled_from((2, 2, 3))) if total * 3 <= max_regimes else 2)
        total *= levels[-1]
    variables = tuple(f"x{v}" for v in range(draw(st.integers(1, 3))))
    sigma = st.lists(st.sampled_from(range(width)), unique=True, max_size=3)
    x = st.lists(st.sampled_from(variables), unique=True, min_size=1)
    factors = [(tuple(draw(x)), tuple(draw(sigma))) for _ in range(draw(st.integers(1, 5)))]
    left = tuple(v for v in variables if not any(v in scope for scope, _ in factors))
    if left:
        factors[-1] = (factors[-1][0] + left, factors[-1][1])
    train = draw(st.lists(regimes_in(levels), min_size=1, max_size=14))
    return PlainDesign(tuple(levels), variables, tuple(factors), tuple(train))


def regimes_in(levels: list[int] | tuple[int, ...]) -> st.SearchStrategy[Codes]:
    """Any regime as level indices."""
    return st.tuples(*(st.integers(0, a - 1) for a in levels))
