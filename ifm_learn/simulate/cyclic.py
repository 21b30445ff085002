"""A gene network with feedback: a stochastic differential equation whose stationary law is no exact IFM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import Factor, InputError, Intervention, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Active
from ifm_learn.simulate._simulator import Function, Simulator, cells_of, check_shapes, x_scopes

_SLOPE = 0.5
_FORGOTTEN = 1e-4
_STRONGEST = 0.85
_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class CyclicSystem(Simulator):
    """dx_i = (gain_i(sigma) 2 expit(basal_i + sum_j weights_ij x_j + sum_q loadings_iq u_q) - x_i) dt + noise_i dW_i.

    Gene i belongs to factor i of the model: its gain is chosen by that factor's level cell (gains[i] has an axis
    for each intervention of the sigma-scope: 1 normally, less for a knock-down), and only variables of the factor's
    x-scope act on it. Weights may close cycles. The u are hidden confounders, each an Ornstein-Uhlenbeck process
    of unit rate and variance; loadings: shape (p, q). Feedback makes the stationary law leave the model's family:
    a test of what the factorisation costs where it holds only nearly.

    Simulated by Euler-Maruyama in steps of `step`, one path a row. Every step shrinks the distance of two paths that
    share their noise by the factor 1 - step (1 - |0.5 gain weights|), so that paths run until less than 1e-4 of
    the start is left: checked, not hoped for. `means` and `expect` average `truth` paths drawn with `seed`.

    Raises InputError for wrong shapes, weights from outside a factor's x-scope, a step beyond 1, gains or noise not
    positive, and feedback so strong that the paths need not forget their start.

    >>> gene = Factor("x", ("x",), ("kd",))
    >>> model = Model((Intervention("kd", (0, 1)),), ("x",), (gene,))
    >>> system = CyclicSystem(model, np.array([[0.5]]), (np.array([1.0, 0.2]),), np.zeros(1), np.array([0.3]))
    >>> both = Regimes.from_codes(np.array([[0], [1]]))
    >>> system.means(both).round(1).ravel().tolist()
    [1.3, 0.2]
    >>> CyclicSystem(model, np.array([[2.5]]), system.gains, system.basal, system.noise)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: feedback of strength 1.25 need not settle: |0.5 gain weights| must stay below 1; scale weights or gains down
    """  # noqa: E501

    model: Model
    weights: Floats
    gains: tuple[Floats, ...]
    basal: Floats
    noise: Floats
    loadings: Floats | None = None
    step: float = 0.1
    truth: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        model, p = self.model, len(self.model.variables)
        check_shapes(model, "gains", self.gains, [()] * len(model.factors))
        if len(model.factors) != p:
            raise InputError(
                f"{len(model.factors)} factors for {p} variables; factor i is that of gene i, one for each"
            )
        for name, values, due in (
            ("weights", self.weights, (p, p)),
            ("basal", self.basal, (p,)),
            ("noise", self.noise, (p,)),
            ("loadings", self._loadings, (p, self._loadings.shape[-1])),
        ):
            if values.shape != due:
                raise InputError(f"{name} have shape {values.shape} where {due} is due")
        for i, (factor, scope) in enumerate(zip(model.factors, x_scopes(model), strict=True)):
            acting = np.flatnonzero(self.weights[i])
            if i not in scope or not np.isin(acting, scope).all():
                outside = next(model.variables[j] for j in (i, *acting.tolist()) if j not in scope)
                raise InputError(
                    f"factor {factor.name!r} is that of {model.variables[i]!r}, which depends on {outside!r}; put "
                    f"{outside!r} into its x-scope"
                )
        if min(table.min() for table in self.gains) <= 0 or self.noise.min() <= 0:
            raise InputError("gains and noise must be positive; a knock-down is a gain such as 0.2")
        if not 0 < self.step <= 1:
            raise InputError(f"the step is above 0 and at most 1 (a decay time), got {self.step}; try 0.1")
        if self.feedback >= 1:
            raise InputError(
                f"feedback of strength {self.feedback:.3g} need not settle: |0.5 gain weights| must stay below 1; "
                "scale weights or gains down"
            )

    @classmethod
    def random(
        cls,
        model: Model,
        rng: np.random.Generator,
        cycle: float = 0.5,
        hidden: int = 0,
        knockdown: float = 0.2,
        truth: int = 10_000,
    ) -> CyclicSystem:
        """Random weights on the scopes of a model; those against the order of its variables count `cycle` times.

        cycle: 0 for no feedback to 1, with the same forward weights from the same generator state. hidden: the
        number of confounders, each of which acts on up to three genes. Every level off baseline multiplies the
        gain by `knockdown`.
        """
        if not 0 <= cycle <= 1:
            raise InputError(f"the cycle strength is within 0 to 1, got {cycle}")
        p, scopes = len(model.variables), x_scopes(model)
        allowed = np.zeros((p, len(scopes)), dtype=bool).T
        for row, scope in zip(allowed, scopes, strict=True):
            row[scope] = True
        if len(scopes) != p:
            raise InputError(f"{len(scopes)} factors for {p} variables; factor i is that of gene i, one for each")
        drawn = rng.choice([-1.0, 1.0], (p, p)) * rng.uniform(0.5, 1.5, (p, p)) * allowed
        forward, back = np.tril(drawn, -1), np.triu(drawn, 1)
        norm = max(_norm(forward), _norm(forward + back)) or 1.0  # convex in the cycle strength: largest at an end
        weights = (forward + cycle * back) * (_STRONGEST / _SLOPE / norm)
        loadings = np.zeros((p, hidden))
        for q in range(hidden):
            acted = rng.choice(p, min(p, 3), replace=False)
            loadings[acted, q] = rng.choice([-1.0, 1.0], len(acted))
        gains = []
        for sigma in model.scopes:
            off = np.indices(model.level_counts[sigma].tolist()) > 0
            gains.append(knockdown ** off.sum(axis=0).astype(np.float64))
        basal = rng.normal(scale=0.5, size=p)
        return cls(model, weights, tuple(gains), basal, rng.uniform(0.2, 0.4, p), loadings, truth=truth)

    @property
    def _loadings(self) -> Floats:
        return np.zeros((len(self.model.variables), 0)) if self.loadings is None else self.loadings

    @property
    def feedback(self) -> float:
        """The largest stretch |0.5 gain weights| of production over all regimes; paths settle if it is below 1."""
        most = np.array([table.max() for table in self.gains])
        return _norm(_SLOPE * most[:, None] * self.weights)

    @cached_property
    def steps(self) -> int:
        """How many steps a path makes."""
        return int(np.ceil(np.log(_FORGOTTEN) / np.log1p(-self.step * (1 - self.feedback))))

    def draw(self, regimes: Regimes, which: Ints, rng: np.random.Generator) -> Floats:
        """The end of one path a row, row i in regimes[which[i]], shape (n, p)."""
        cells = (cells_of(regimes, sigma) for sigma in self.model.scopes)
        shown = [np.broadcast_to(table[cell], len(regimes)) for table, cell in zip(self.gains, cells, strict=True)]
        gain = np.stack(shown, axis=1)[which]
        blocks = [self._block(gain[start : start + _BLOCK], rng) for start in range(0, len(gain), _BLOCK)]
        return np.concatenate(blocks) if blocks else gain

    def _block(self, gain: Floats, rng: np.random.Generator) -> Floats:
        """The ends of paths with these gains, shape (n, p): few, so that arrays stay in cache."""
        n, q, dt = len(gain), self._loadings.shape[1], self.step
        inward, hidden, sd = self.weights.T / 2, self._loadings.T / 2, np.sqrt(dt) * self.noise
        x, u = gain.copy(), rng.standard_normal((n, q))
        keep = 1 - dt  # of u in a step; the noise brings its variance back to 1
        noise = np.empty_like(x)
        for _ in range(self.steps):
            production = x @ inward
            production += self.basal / 2
            if q:
                production += u @ hidden
                u = keep * u + np.sqrt(1 - keep**2) * rng.standard_normal((n, q))
            np.tanh(production, out=production)  # 2 expit(z) = 1 + tanh(z / 2)
            production += 1
            production *= gain
            x *= 1 - dt
            production *= dt
            x += production
            rng.standard_normal(out=noise)
            noise *= sd
            x += noise
        return x

    def means(self, regimes: Regimes) -> Floats:
        """E[x; regime], shape (r, p), by `truth` paths: a standard error of about sd / sqrt(truth)."""
        return np.stack([self._paths(regime).mean(axis=0) for regime in regimes])

    def expect(self, function: Function, weights: Floats, regimes: Regimes) -> Floats:
        """E[function(weights·x); regime], shape (r,), by `truth` paths."""
        return np.array([function(self._paths(regime) @ weights).mean() for regime in regimes])

    @cached_property
    def _drawn(self) -> dict[Active, Floats]:
        return {}

    def _paths(self, regime: Active) -> Floats:
        """The paths of a regime that stand for the truth, drawn when first asked for, shape (truth, p)."""
        if regime not in self._drawn:
            one, rng = Regimes.from_active([regime], len(self.model)), np.random.default_rng(self.seed)
            self._drawn[regime] = self.draw(one, np.zeros(self.truth, dtype=np.int64), rng)
        return self._drawn[regime]


def gene_network(
    genes: int,
    rng: np.random.Generator,
    parents: int = 2,
    feedbacks: int = 3,
    knockdowns: Sequence[int] | None = None,
) -> Model:
    """A model of genes G1, G2, ...: a factor for each gene and those that act on it, a knock-down kd1, ... in it.

    Each gene has up to `parents` earlier ones acting on it, and `feedbacks` later genes act back on earlier ones.
    knockdowns: the genes, from 0, that have one; all without.

    >>> model = gene_network(4, np.random.default_rng(0), knockdowns=[0, 2])
    >>> [i.name for i in model.interventions], model.factors[0].x[0]
    (['kd1', 'kd3'], 'G1')
    """
    if genes < 2:
        raise InputError(f"a network has two genes or more, got {genes}")
    acting = [[i, *rng.choice(i, min(i, parents), replace=False).tolist()] for i in range(genes)]
    pairs = [(i, j) for i in range(genes) for j in range(i + 1, genes)]
    for k in rng.choice(len(pairs), min(feedbacks, len(pairs)), replace=False).tolist():
        acting[pairs[k][0]].append(pairs[k][1])
    down = range(genes) if knockdowns is None else knockdowns
    names = [f"G{i + 1}" for i in range(genes)]
    return Model(
        tuple(Intervention(f"kd{i + 1}", (0, 1)) for i in down),
        tuple(names),
        tuple(
            Factor(names[i], tuple(names[j] for j in acting[i]), (f"kd{i + 1}",) if i in down else ())
            for i in range(genes)
        ),
    )


def _norm(matrix: Floats) -> float:
    return float(np.linalg.norm(matrix, 2))
