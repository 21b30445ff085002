"""Studies with rows and known truth for benchmarks of estimates: one or two variables, five, or fifty."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ifm_ident import Design, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples

CROSS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
POOL = 400_000
PAIRS = ("near", "block2", "bimodal", "gamma", "counts")


@dataclass(frozen=True, eq=False)
class Truth:
    """Samples, regimes to ask about, their true means (r, k), and how many of them, the first ones, were run."""

    samples: Samples
    asked: Regimes
    means: Floats
    run: int


def pair(kind: str, n: int, rng: np.random.Generator) -> Truth:
    """ctrl, A and B run, n rows each; A+B is what factors of A and of B give.

    near: x ~ N(A - B, 1). block2: two correlated normals tilted by squares and a product. bimodal, gamma: two
    humps, a skewed base. counts: zero-inflated counts, A and B on different ones. beyond: normal, A and B shift by
    1.8 each. saturating: normal, A and B tilt by one bounded function of x.
    """
    pool, laws, means = _pool(kind)
    x = np.concatenate([pool[np.searchsorted(law, rng.random(n))] for law in laws[:3]])
    return Truth(Samples(_cross(kind), np.repeat([0, 1, 2], n), x), Regimes.from_codes(CROSS), means, 3)


@functools.cache
def _cross(kind: str) -> object:
    names = ["x0", "x1"] if kind in ("block2", "counts") else ["x0"]
    scopes = (names[:1], names[-1:]) if kind == "counts" else (names, names)
    factors = [{"x": scope, "sigma": [name]} for scope, name in zip(scopes, "AB", strict=True)]
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": names,
            "factors": factors,
            "train": ["00", "10", "01"],
        }
    ).design


@functools.cache
def _pool(kind: str) -> tuple[Floats, list[Floats], Floats]:
    """Rows of the base, cumulated weights of the four regimes over them and their means."""
    rng = np.random.default_rng(20_240)
    one = rng.normal(size=(POOL, 1))
    pool = {
        "block2": lambda: rng.normal(size=(POOL, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]]),
        "bimodal": lambda: one * 0.5 + rng.choice([-1.5, 1.5], size=(POOL, 1)),
        "gamma": lambda: rng.gamma(3, 1, size=(POOL, 1)),
        "beyond": lambda: np.linspace(-6, 12, POOL)[:, None],
        "saturating": lambda: np.linspace(-6, 12, POOL)[:, None],
        "counts": lambda: 1.0 * rng.poisson(3, size=(POOL, 2)) * (rng.random((POOL, 2)) < 0.7),
    }.get(kind, lambda: one)()
    x, z = pool[:, 0], pool[:, -1]
    a, b = {
        "near": lambda: (x, -x),
        "block2": lambda: (0.8 * x - 0.3 * z**2, -0.6 * z + 0.3 * x * z),
        "bimodal": lambda: (0.6 * x, -0.3 * x**2),
        "gamma": lambda: (-0.5 * x, 0.4 * np.log(x)),
        "counts": lambda: (0.35 * x, -0.4 * z),
        "beyond": lambda: (1.8 * x, 1.8 * x),
        "saturating": lambda: (3.0 * np.tanh((x - 1) / 1.2), 3.0 * np.tanh((x - 1) / 1.2)),
    }[kind]()
    # beyond the rows of ctrl there are points all the same: weighed, not drawn
    base = -(x**2) / 2 if kind in ("beyond", "saturating") else np.zeros(POOL)
    laws, means = [], []
    for first, second in CROSS:
        w = np.exp((tilt := base + first * a + second * b) - tilt.max())
        laws.append(np.cumsum(w) / w.sum())
        laws[-1][-1] = 1.0
        means.append(w @ pool / w.sum())
    return pool, laws, np.array(means)


APART = (
    "apart, normal", "apart, squares", "apart, bimodal", "apart, skewed", "apart, heavy tails", "apart, counts",
    "apart, shares", "apart, uniform",
)  # fmt: skip


def apart(kind: str, n: int, rng: np.random.Generator) -> Truth:
    """A acts on x0 and B on x1, which a third factor joins (normal copula, correlation .5); n rows a regime.

    Of standard deviation 1, but for shares; A raises and B lowers by about .8 of it, squares change spreads, of
    heavy tails (t law of four degrees) tilts are bounded.
    """
    pool, laws, means, design = _apart(kind)
    x = np.concatenate([pool[np.searchsorted(law, rng.random(n))] for law in laws[:3]])
    return Truth(Samples(design, np.repeat([0, 1, 2], n), x), Regimes.from_codes(CROSS), means, 3)


@functools.cache
def _apart(kind: str) -> tuple[Floats, list[Floats], Floats, Design]:
    rng = np.random.default_rng(20_241)
    z = rng.normal(size=(POOL, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    u = stats.norm.cdf(z)
    x = {
        "apart, bimodal": lambda: z * 0.4 + rng.choice([-0.9, 0.9], size=(POOL, 2)),
        "apart, skewed": lambda: (stats.gamma.ppf(u, 3) - 3) / np.sqrt(3),
        "apart, heavy tails": lambda: stats.t.ppf(u, 4) / np.sqrt(2),
        "apart, counts": lambda: stats.poisson.ppf(u, 1),
        "apart, shares": lambda: (u > 0.6).astype(float),
        "apart, uniform": lambda: (u - 0.5) * np.sqrt(12),
    }.get(kind, lambda: z)()
    tilt = {"apart, squares": lambda v: 0.3 * v - 0.2 * v**2, "apart, heavy tails": np.tanh}.get(
        kind, lambda v: 0.8 * v
    )
    laws, means = [], []
    for first, second in CROSS:
        w = np.exp((log := first * tilt(x[:, 0]) + second * tilt(-x[:, 1])) - log.max())
        laws.append(np.cumsum(w) / w.sum())
        laws[-1][-1] = 1.0
        means.append(w @ x / w.sum())
    factors = [{"x": ["x0"], "sigma": ["A"]}, {"x": ["x1"], "sigma": ["B"]}, {"x": ["x0", "x1"], "sigma": []}]
    levels = {"A": [0, 1], "B": [0, 1]}
    study = {"interventions": levels, "variables": ["x0", "x1"], "factors": factors, "train": ["00", "10", "01"]}
    return x, laws, np.array(means), Study.from_dict(study).design


def wide(n: int, rng: np.random.Generator, variables: int = 5, interventions: int = 4) -> Truth:
    """A base factor over all variables, interventions on random pairs, an outcome; 4 n rows of ctrl, n of others.

    All regimes but pairs of interventions are run; asked about are the pairs, means are of the outcome.
    """
    p, d = variables, interventions
    base, noise = np.eye(p) * 2, rng.normal(size=(p, p)) * 0.35
    base += (noise + noise.T) / 2
    base += np.eye(p) * max(0, 1 - np.linalg.eigvalsh(base)[0])
    scopes = [sorted(rng.choice(p, 2, replace=False).tolist()) for _ in range(d)]
    precisions, heights = np.zeros((d, p, p)), np.zeros((d, p))
    for k, scope in enumerate(scopes):
        root = rng.normal(size=(2, 2)) * 0.5
        precisions[k][np.ix_(scope, scope)], heights[k, scope] = root @ root.T, rng.normal(size=2) * 1.5
    line = rng.normal(size=p)
    line /= np.sqrt(line @ np.linalg.inv(base) @ line)

    def law(active: tuple[int, ...]) -> tuple[Floats, Floats]:
        covariance = np.linalg.inv(base + precisions[list(active)].sum(axis=0))
        return covariance @ heights[list(active)].sum(axis=0), covariance

    singles, doubles = [(), *((k,) for k in range(d))], list(itertools.combinations(range(d), 2))
    sizes = [4 * n, *(n for _ in range(d))]
    x = np.concatenate([rng.multivariate_normal(*law(r), m) for r, m in zip(singles, sizes, strict=True)])
    y = np.tanh(x @ line) + 0.5 * rng.normal(size=len(x))
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    means = []
    for active in doubles:
        mean, covariance = law(active)
        means.append(np.tanh(mean @ line + np.sqrt(line @ covariance @ line) * nodes) @ masses / masses.sum())
    names, levels = [f"x{v}" for v in range(p)], [f"s{k}" for k in range(d)]
    factors = [{"sigma": []}, *({"x": [names[v] for v in s], "sigma": [levels[k]]} for k, s in enumerate(scopes))]
    codes = np.eye(d + 1, d, -1, dtype=int)
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in levels},
            "variables": names,
            "factors": factors,
            "train": ["".join(map(str, row)) for row in codes],
        }
    )
    asked = Regimes.from_active([tuple((k, 1) for k in active) for active in doubles], d)
    samples = Samples(study.design, np.repeat(np.arange(d + 1), sizes), x, y)
    return Truth(samples, asked, np.array(means)[:, None], 0)


def as_given(truth: Truth, log: bool = False) -> tuple[Study, dict[str, object]]:
    """The study and the table that a user would have of it."""
    samples, model = truth.samples, truth.samples.design.model
    train, asked = (["".join(map(str, row)) for row in of.codes()] for of in (samples.design.train, truth.asked))
    data: dict[str, object] = {"file": "rows.csv"}
    codes = samples.design.train.codes()[samples.regime]
    table: dict[str, object] = {one.name: codes[:, i] for i, one in enumerate(model.interventions)}
    table |= {name: samples.x[:, v] for v, name in enumerate(model.variables)}
    if samples.y is not None:
        table["y"], data["outcome"] = samples.y, "y"
    if samples.unit is not None:
        table["unit"], data["unit"] = samples.unit, "unit"
    if log:
        data["log"] = list(model.variables)
    doc: dict[str, object] = {
        "interventions": {one.name: list(one.levels) for one in model.interventions},
        "variables": list(model.variables),
        "factors": [{"x": list(f.x), "sigma": list(f.sigma)} for f in model.factors],
        "train": train,
        "test": asked,
        "data": data,
    }
    return Study.from_dict(doc), table


RATES = {
    "rarer shares": ("share", (-1.2, -1.0)),
    "shares of three": ("share", (0.9, 0.7, -0.8)),
    "fewer counts": ("count", (-0.8, -0.7)),
    "clumped counts": ("clumped", (-0.7, -0.5)),
}
"""Of one variable near the end of its range: its law, and what each intervention adds to the parameter."""

SHARES, COUNTS = (0.02, 0.05, 0.2, 0.5), (0.1, 1.0, 5.0)


def rates(kind: str, base: float, n: int, rng: np.random.Generator) -> Truth:
    """A share or the mean of counts that is `base` at ctrl; ctrl and single interventions run, n rows each.

    clumped: negative binomial of size 1. Combinations of two or more are asked about besides those run.
    """
    law, steps = RATES[kind]
    d = len(steps)
    names = "ABC"[:d]
    codes = np.array(sorted(itertools.product((0, 1), repeat=d), key=lambda row: (sum(row), [-v for v in row])))
    odds = base if law == "count" else base / (1 - base if law == "share" else 1 + base)
    theta = np.log(odds) + codes @ np.array(steps)
    if law == "share":
        means = 1 / (1 + np.exp(-theta))
    else:
        means = np.exp(theta) if law == "count" else 1 / np.expm1(-theta)
    drawn = means[: d + 1, None]
    if law == "share":
        x = rng.random((d + 1, n)) < drawn
    else:
        x = rng.poisson(drawn * (rng.standard_exponential((d + 1, n)) if law == "clumped" else 1.0), (d + 1, n))
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "variables": ["x"],
            "factors": [{"sigma": [name]} for name in names],
            "train": ["".join(map(str, row)) for row in codes[: d + 1]],
        }
    )
    samples = Samples(study.design, np.repeat(np.arange(d + 1), n), x.reshape(-1, 1).astype(float))
    return Truth(samples, Regimes.from_codes(codes), means[:, None], d + 1)
