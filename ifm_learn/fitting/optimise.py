"""Smooth minimisation to convergence, not for a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from ifm_ident.arrays import Floats

Objective = Callable[[Floats], tuple[float, Floats]]
Curvature = Callable[[Floats], Floats]

_FLAT = 1e-4
"""A search that ends for want of precision has converged where no slope exceeds this."""

_ROUND = 40
"""Iterations between one measurement of curvature and the next."""


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
    steepest = float(np.abs(found.jac).max(initial=0.0))
    return Optimum(
        found.x,
        float(found.fun),
        steepest,
        int(found.nit),
        int(found.nfev),
        bool(found.success) or (found.status == 2 and steepest < _FLAT),
        str(found.message),
    )


def minimise_curved(
    objective: Objective,
    curvature: Curvature,
    start: Floats,
    *,
    plain: int = 80,
    max_iterations: int = 200,
    step: Callable[[int], None] | None = None,
) -> Optimum:
    """`minimise`, first `plain` iterations in the parameters, then in units in which `curvature` is the identity.

    curvature: a positive definite matrix near the second derivatives at theta, shape (size, size), measured again
    every few iterations. For energies of one hidden layer this takes a third of the evaluations.

    >>> scale = np.array([1.0, 1e4])
    >>> found = minimise_curved(lambda x: (float(scale @ x**2), 2 * scale * x), lambda x: 2 * np.diag(scale),
    ...                         np.ones(2), plain=1)
    >>> bool(np.abs(found.theta).max() < 1e-6), found.converged
    (True, True)
    """
    found = minimise(objective, start, max_iterations=min(plain, max_iterations), step=step)
    while not found.converged and found.iterations < max_iterations:
        before, left = found, max_iterations - found.iterations
        root = cholesky(curvature(before.theta), lower=True)

        def turned(z: Floats, root: Floats = root) -> tuple[float, Floats]:
            value, gradient = objective(solve_triangular(root, z, lower=True, trans="T"))
            return value, solve_triangular(root, gradient, lower=True)

        def later(done: int, before: Optimum = before) -> None:
            if step is not None:
                step(before.iterations + done)

        found = minimise(turned, root.T @ before.theta, max_iterations=min(_ROUND, left), step=later)
        theta = solve_triangular(root, found.theta, lower=True, trans="T")
        steepest = float(np.abs(objective(theta)[1]).max(initial=0.0))
        found = replace(
            found,
            theta=theta,
            gradient_norm=steepest,
            iterations=before.iterations + max(found.iterations, 1),
            evaluations=before.evaluations + found.evaluations + 1,
        )
    return found
