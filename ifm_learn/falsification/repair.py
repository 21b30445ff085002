"""Which factor to enlarge when data contradict a model, by the held-out score of the regime contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from ifm_ident import Design, Model
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._contrast import Block, fit
from ifm_learn.falsification._features import Features, features
from ifm_learn.falsification.testing import Falsification
from ifm_learn.randomness import one_thread

_FOLDS = 4
_RIDGE = 10.0
_MOST = 40
_TERMS = 200
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Suggestion:
    """Put `intervention` into the sigma-scope of `factor`.

    gain: the change in the mean held-out log P(regime | x) of the regime contrast, in nats a row; error: its
    standard error over rows.
    """

    factor: str
    intervention: str
    gain: float
    error: float


@one_thread()
def suggestions(samples: Samples, found: Falsification) -> tuple[Suggestion, ...]:
    """Enlargements of one sigma-scope by one intervention, the largest gain first; none where nothing is rejected.

    Tried are the interventions active in regimes of rejected claims about several regimes, as long as the training
    regimes can tell the enlarged model from the present one. Logits of the contrast obey the model
    (docs/theory/learning.md), with linear and curved terms of every variable.

    >>> from ifm_ident import Study
    >>> from ifm_learn import falsify
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01", "11"],
    ... })
    >>> regime = np.repeat(np.arange(4), 300)
    >>> holds = np.random.default_rng(0).normal(size=(1200, 1)) + np.array([0.0, 0.5, 1.0, 1.5])[regime][:, None]
    >>> fails = holds - 0.7 * (regime == 3)[:, None]
    >>> samples = Samples(study.design, regime, fails)
    >>> [(one.factor, one.intervention) for one in suggestions(samples, falsify(samples, tests=["score"]))]
    [('f1', 'B'), ('f2', 'A')]
    >>> samples = Samples(study.design, regime, holds)
    >>> suggestions(samples, falsify(samples, tests=["score"]))
    ()
    """
    design = samples.design
    if design.model.has_bases:
        return ()
    wanted = _active_in_rejected(found, design)
    present = np.searchsorted(samples.present, samples.regime)
    terms = _singles(features(samples.x, _TERMS))
    rng = np.random.default_rng([found.seed, len(samples)])
    units = samples.units
    fold = rng.permutation(len(samples)) % _FOLDS if units is None else units.folds(_FOLDS, rng)
    before = _blocks(design, design.model, terms)
    base: Floats | None = None
    ranked = []
    for k, factor in enumerate(design.model.factors):
        for name in (n for n in wanted if n not in factor.sigma):
            blocks = _blocks(design, _enlarged(design.model, k, name), terms)
            if _size(blocks) == _size(before):
                continue
            if base is None:
                base = _held_out(terms.values, present, before, fold)
            gain = _held_out(terms.values, present, blocks, fold) - base
            error = _error(gain, samples)
            ranked.append(Suggestion(factor.name, name, float(gain.mean()), error))
    return tuple(sorted(ranked, key=lambda s: -s.gain))


def _error(gain: Floats, samples: Samples) -> float:
    """The standard error of the mean gain, rows of one unit counted as one."""
    if samples.units is None:
        return float(gain.std() / np.sqrt(len(gain)))
    sums = np.bincount(samples.units.place, gain - gain.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(gain))


def _active_in_rejected(found: Falsification, design: Design) -> list[str]:
    """Interventions off baseline in regimes of rejected claims that relate several regimes, in model order."""
    regimes = {i for f in found.rejected if len(f.claim.formula) > 1 for i in f.claim.formula.exponents}
    active = {position for i in regimes for position, _ in design.train[i]}
    return [one.name for i, one in enumerate(design.model.interventions) if i in active][:_MOST]


def _enlarged(model: Model, k: int, name: str) -> Model:
    factor = model.factors[k]
    factors = list(model.factors)
    factors[k] = replace(factor, sigma=(*factor.sigma, name))
    return replace(model, factors=tuple(factors))


def _singles(found: Features) -> Features:
    kept = found.order <= 1
    held = tuple(v for v, keep in zip(found.variables, kept.tolist(), strict=True) if keep)
    return Features(found.values[:, kept], held, found.linear[kept])


def _blocks(design: Design, model: Model, terms: Features) -> list[Block]:
    """The model's regime contrast: coefficients over regimes follow the factors that hold a term's variable."""
    train = design.train.take(design.distinct).codes()
    blocks = [Block(np.array([0]), _span(train, [np.arange(train.shape[1])]), 0.0)]
    of_variable = np.array([next(iter(held), -1) for held in terms.variables])
    for cover, factors in enumerate(model.covers):
        own = [v for v, name in enumerate(model.variables) if model.cover_index[name] == cover]
        columns = np.flatnonzero(np.isin(of_variable, own))
        blocks.append(Block(columns, _span(train, [model.scopes[k] for k in factors]), _RIDGE))
    return blocks


def _span(train: NDArray[np.int64], scopes: Sequence[Ints]) -> Floats:
    """An orthonormal basis, sums 0, of what factors with these sigma-scopes tell of m regimes: shape (m, k)."""
    cells = [np.unique(train[:, scope], axis=0, return_inverse=True)[1].ravel() for scope in scopes]
    columns = np.hstack([np.eye(int(cell.max()) + 1)[cell] for cell in cells])
    left, values, _ = np.linalg.svd(columns - columns.mean(axis=0), full_matrices=False)
    basis: Floats = left[:, values > _TOLERANCE]
    return basis


def _size(blocks: Sequence[Block]) -> int:
    return sum(len(block.columns) * block.basis.shape[1] for block in blocks)


def _held_out(values: Floats, label: Ints, blocks: Sequence[Block], fold: Ints) -> Floats:
    """log P(regime | x) of every row by a fit that has not seen it, shape (n,)."""
    log_p = np.empty(len(label))
    start = None
    for k in range(_FOLDS):
        out = fold == k
        start = fit(values[~out], label[~out], blocks, start)
        log_p[out] = log_softmax(values[out] @ start, axis=1)[np.arange(int(out.sum())), label[out]]
    return log_p
