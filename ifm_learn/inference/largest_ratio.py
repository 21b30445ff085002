"""The largest ratio of a density to a mixture over a whole grid, bounded from both sides.

log p*(x) - log sum_i c_i p_i(x) is no sum over factors. But for every lambda on the simplex Jensen's inequality
gives log sum_i c_i p_i >= sum_i lambda_i (log p_i - log(lambda_i / c_i)), and with it the ratio is below a sum
over factors, which max-product on the junction tree maximises exactly. The best lambda follows from the maximisers
found so far (a concave problem in as many numbers), and the grid is halved, one variable at a time, until the
bound meets the largest ratio seen.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax, xlogy

from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.grid import flat_index
from ifm_learn.inference._max_product import maximise
from ifm_learn.inference.grid_tree import GridTree

Box = tuple[tuple[int, int], ...]
"""For every variable the first value index inside and the first beyond."""

BOXES = 60
TIGHT = 0.01
_ROUNDS = 15


@dataclass(frozen=True)
class RatioBound:
    """The largest log-ratio lies between `attained`, that of a cell of the grid, and `bound`, both in nats."""

    bound: float
    attained: float

    @property
    def tight(self) -> bool:
        """Whether the two agree to one per cent of the ratio."""
        return self.bound - self.attained <= TIGHT


@dataclass(frozen=True, eq=False)
class GridRatio:
    """log p*(x) - log sum_i c_i p_i(x) for densities that are products of tables over the factors of a tree.

    stacks[k]: the distinct log-tables of factor k, shape (u_k, ...), axes in the order of its scope; target[k]:
    which of them p* has; train[k]: which of them each of m densities has, shape (m,). log_target, log_train:
    constants that normalise, shape () and (m,); log_share: log c_i, shape (m,), finite.

    >>> tree = GridTree.of([(0,)], [2])
    >>> stack = np.log([[0.5, 0.5], [0.1, 0.9]])
    >>> ratio = GridRatio(tree, (stack,), np.array([1]), (np.array([0]),), 0.0, np.zeros(1), np.zeros(1))
    >>> round(float(np.exp(ratio.largest().bound)), 6)
    1.8
    """

    tree: GridTree
    stacks: tuple[Floats, ...]
    target: Ints
    train: tuple[Ints, ...]
    log_target: float
    log_train: Floats
    log_share: Floats

    def at(self, x: Ints) -> tuple[Floats, Floats]:
        """log p*, shape (n,), and log p_i, shape (n, m), at value indices x, shape (n, p)."""
        top = np.full(len(x), self.log_target)
        below = np.tile(self.log_train, (len(x), 1))
        for stack, scope, mine, theirs in zip(self.stacks, self.tree.scopes, self.target, self.train, strict=True):
            values = stack.reshape(len(stack), -1)[:, flat_index(x, scope, self.tree.sizes)]
            top += values[mine]
            below += values[theirs].T
        return top, below

    def log_ratio(self, x: Ints) -> Floats:
        """The log-ratio at value indices x, shape (n, p): shape (n,)."""
        top, below = self.at(x)
        found: Floats = top - logsumexp(below + self.log_share, axis=1)
        return found

    def largest(self, boxes: int = BOXES) -> RatioBound:
        """Bounds of the largest log-ratio, from at most this many boxes; more make them meet."""
        whole: Box = tuple((0, size) for size in self.tree.sizes)
        node = self._node(whole, np.zeros((0, len(whole)), dtype=np.int64), -np.inf)
        attained, done, order = node.attained, 1, 0
        heap = [(-node.bound, order, node)]
        while heap and done < boxes and -heap[0][0] - attained > TIGHT / 2:
            worst = heapq.heappop(heap)[2]
            for half in _halves(worst):
                inside = [(worst.points[:, v] >= a) & (worst.points[:, v] < b) for v, (a, b) in enumerate(half)]
                child = self._node(half, worst.points[np.all(inside, axis=0)], attained)
                attained, done, order = max(attained, child.attained), done + 1, order + 1
                heapq.heappush(heap, (-min(child.bound, worst.bound), order, child))
        bound = max([attained, *(-negative for negative, _, _ in heap)])
        # sums over factors in another order differ in the last digits
        return RatioBound(bound + 1e-9 * max(1.0, abs(bound)), attained)

    def _node(self, box: Box, points: Ints, attained: float) -> _Node:
        """The best bound in a box over a few rounds of maximising and choosing lambda again."""
        slices = [slice(a, b) for a, b in box]
        tree = GridTree(self.tree.scopes, tuple(b - a for a, b in box), self.tree.tree)
        stacks = [
            stack[(slice(None), *(slices[v] for v in scope))]
            for stack, scope in zip(self.stacks, tree.scopes, strict=True)
        ]
        corner = np.array([a for a, _ in box])
        bound, mass = np.inf, np.ones(len(points))
        if not len(points):
            points = self._maximiser(tree, stacks, np.exp(self.log_share - logsumexp(self.log_share)))[1] + corner
            mass = np.ones(1)
        for _ in range(_ROUNDS):
            top, below = self.at(points)
            mass = _mixing(top, below + self.log_share, mass)
            weight = softmax(self.log_share + mass @ below)
            value, found = self._maximiser(tree, stacks, weight)
            bound = min(bound, value + float(xlogy(weight, weight).sum() - weight @ self.log_share))
            attained = max(attained, float(self.log_ratio(found + corner)[0]))
            reached = mass @ top - logsumexp(mass @ below + self.log_share)
            if bound - max(attained, reached) <= TIGHT / 4:
                break
            points = np.concatenate([points, found + corner])
            mass = np.append(mass, 0.0)
        return _Node(box, points, mass[: len(points)], float(bound), attained)

    def _maximiser(self, tree: GridTree, stacks: Sequence[Floats], weight: Floats) -> tuple[float, Ints]:
        """The largest log p* - sum_i weight_i log p_i over a box, and where from its corner, shape (1, p)."""
        tables = []
        for stack, mine, theirs in zip(stacks, self.target, self.train, strict=True):
            factor = -np.bincount(theirs, weight, len(stack))
            factor[mine] += 1.0
            tables.append(np.tensordot(factor, stack, axes=1))
        value, at = maximise(tree, tables)
        return value + self.log_target - float(weight @ self.log_train), at[None, :]


@dataclass(frozen=True, eq=False)
class _Node:
    """A box, points of it with the mass that each has in the relaxed optimum, its bound, and what was attained."""

    box: Box
    points: Ints
    mass: Floats
    bound: float
    attained: float


def _mixing(top: Floats, below: Floats, start: Floats) -> Floats:
    """The mass on points that maximises its mean of `top` less the log of sum_i exp(its mean of `below`_i)."""
    if len(top) == 1:
        return np.ones(1)

    def loss(mass: Floats) -> tuple[float, Floats]:
        mean = mass @ below
        return float(logsumexp(mean) - mass @ top), below @ softmax(mean) - top

    begin = (start + 0.1 / len(start)) / (start.sum() + 0.1)
    found = minimize(
        loss, begin, jac=True, method="SLSQP", bounds=[(0, 1)] * len(top),
        constraints={"type": "eq", "fun": lambda mass: mass.sum() - 1, "jac": lambda mass: np.ones(len(mass))},
    ).x  # fmt: skip
    mass = np.maximum(np.nan_to_num(found), 0.0)
    mixed: Floats = mass / mass.sum() if mass.sum() > 0 else begin
    return mixed


def _halves(node: _Node) -> list[Box]:
    """The box cut in two across the variable in which its relaxed optimum is spread most, or its longest one."""
    low, high = (np.array(ends, dtype=np.float64) for ends in zip(*node.box, strict=True))
    mean = node.mass @ node.points
    spread = node.mass @ (node.points - mean) ** 2 / np.maximum(high - low, 1) ** 2
    spread[high - low < 2] = -1.0
    v = int(spread.argmax()) if spread.max() > 1e-9 else int((high - low).argmax())
    a, b = node.box[v]
    if b - a < 2:
        return []
    cut = min(max(int(np.floor(mean[v])) + 1, a + 1), b - 1)
    return [tuple(part if u == v else ends for u, ends in enumerate(node.box)) for part in ((a, cut), (cut, b))]
