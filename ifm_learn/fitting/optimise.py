"""Smooth minimisation to convergence, not for a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where a minimisation ended.

    theta: the parameters, shape (size,); value: the objective there; gradient_norm: its largest slope;
    converged: whether a stopping rule was met within the iterations allowed; message: the optimiser's words.
    """

    theta: Floats
    value: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool
    message: str


def minimise(
    objective: Objective,
    start: Floats,
    *,
    tolerance: float = 1e-7,
    slope: float = 1e-5,
    max_iterations: int = 2000,
    memory: int = 30,
    step: Callable[[int], None] | None = None,
) -> Optimum:
    """The local minimum that L-BFGS finds from `start`.

    Ends where a step improves the objective by less than `tolerance` of its size, or no slope exceeds `slope`.
    step: called with the number of iterations after each.

    >>> found = minimise(lambda x: (float((x - 3) @ (x - 3)), 2 * (x - 3)), np.zeros(2))
    >>> found.theta.round(6).tolist(), found.converged
    ([3.0, 3.0], True)
    >>> minimise(lambda x: (float(x @ x), 2 * x), np.ones(2), max_iterations=0).converged
    False
    """
    done = 0

    def after(_: Floats) -> None:
        nonlocal done
        done += 1
        if step is not None:
            step(done)

    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=after,
        options={
            "maxiter": max_iterations,
            "maxfun": 4 * max_iterations + 20,
            "maxcor": memory,
            "ftol": tolerance,
            "gtol": slope,
        },
    )
    return Optimum(
        found.x,
        float(found.fun),
        float(np.abs(found.jac).max(initial=0.0)),
        int(found.nit),
        int(found.nfev),
        bool(found.success),
        str(found.message),
    )
