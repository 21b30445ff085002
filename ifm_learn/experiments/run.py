"""One experiment: a truth, a training sample, one fit of every model of x, then all methods on every problem."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.design import format_regime
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel
from ifm_learn.experiments._folder import Folder
from ifm_learn.experiments.methods import Shared, fit_shared
from ifm_learn.experiments.problems import Problem, draw_problems
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.truths import draw_training, fit_truth
from ifm_learn.fitting.report import FitWarning

Say = Callable[[str], None]
Watch = Callable[[Iterable[Any], int], Iterable[Any]]


def run_experiment(
    samples: Samples,
    regimes: Regimes,
    protocol: Protocol,
    problems: int,
    path: Path,
    *,
    jobs: int = 1,
    say: Say = lambda text: None,
    watch: Watch = lambda items, total: items,
) -> Results:
    """All methods on problems 0 to `problems` - 1, finished ones read from the folder `path`.

    samples: the real rows that the truth is fitted to, baseline among the training regimes; regimes: those asked
    about, of which the ones outside training are scored. Same data and protocol, same bytes, whatever `jobs` and
    however often it was interrupted (the files of models also hold the time they took); more problems may be asked
    of a folder later. say: told what is going on; watch: an iterator that shows progress.

    Raises InputError for a folder of other settings or data, a design without its baseline, and no unseen regime;
    NotIdentifiableError where a method needs identification and a regime is not identified.
    """
    if problems < 1:
        raise InputError(f"an experiment has one problem or more, got {problems}")
    unseen = regimes.take(np.flatnonzero(regimes.first_equal(samples.design.train) < 0))
    if not len(unseen):
        raise InputError("every regime asked about was trained; ask about combinations too")
    folder = Folder.open(path, settings_of(samples, unseen, protocol))
    missing = sorted(set(range(problems)) - set(folder.finished()))
    if missing:
        shared, drawn = prepare(samples, unseen, protocol, missing, folder, jobs, say)
        folder.note(shared.notes)
        say(f"{len(missing)} problems")
        for found in watch(_in_parallel(shared, drawn, jobs), len(missing)):
            number, record = found
            folder.write(number, record)
    return collect(folder, samples, unseen, protocol, range(problems))


def prepare(
    samples: Samples,
    unseen: Regimes,
    protocol: Protocol,
    numbers: list[int],
    folder: Folder,
    jobs: int = 1,
    say: Say = lambda text: None,
) -> tuple[Shared, list[Problem]]:
    """The problems, and the models of x fitted to the truth's training sample; fits are kept in the folder."""
    baseline = Regimes.from_active([()], unseen.width)
    if baseline.first_equal(samples.design.train)[0] < 0:
        raise InputError("the baseline is no training regime; problems are scaled by the variance there")

    def fit(rows: Samples) -> DensityModel:
        return folder.density(
            "density",
            lambda: fit_density(
                rows,
                bins=protocol.bins,
                starts=protocol.starts,
                iterations=protocol.iterations,
                seed=protocol.seed,
                jobs=jobs,
            ),
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the models' reports hold them; they become notes
        say(f"truth: a fit of the {protocol.truth} model to {len(samples):,} rows")
        truth = fit_truth(samples, protocol, lambda one: folder.density("truth", one))
        say(f"problems: true means of {len(unseen)} unseen regimes")
        regimes = Regimes.concatenate([baseline, unseen])
        drawn = draw_problems(truth, regimes, numbers, protocol.truth_draws, protocol.seed)
        training = draw_training(truth, samples.design, protocol)
        folder.keep_training(training)
        say(f"models of x: fits to {len(training):,} training rows of the truth")
        return fit_shared(training, unseen, protocol, truth, fit), drawn


def _in_parallel(shared: Shared, problems: list[Problem], jobs: int) -> Iterable[tuple[int, dict[str, object]]]:
    """Every problem's record, as they are done."""
    if jobs == 1 or len(problems) == 1:
        return ((problem.number, shared.solve(problem)) for problem in problems)
    from joblib import Parallel, delayed

    def numbered(problem: Problem) -> tuple[int, dict[str, object]]:
        return problem.number, shared.solve(problem)

    found: Iterable[tuple[int, dict[str, object]]] = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(numbered)(problem) for problem in problems
    )
    return found


def settings_of(samples: Samples, unseen: Regimes, protocol: Protocol) -> dict[str, object]:
    """All that the numbers depend on, the data by their digest; how many problems is not among it."""
    model = samples.design.model
    digest = hashlib.sha256()
    for part in (samples.x, samples.regime, samples.design.train.codes()):
        digest.update(np.ascontiguousarray(part).tobytes())
    named = [format_regime(model, active, "assignment") for active in unseen]
    factors = [{"name": f.name, "x": list(f.x), "sigma": list(f.sigma)} for f in model.factors]
    return {
        "schema": "ifm-experiment/1",
        **dataclasses.asdict(protocol),
        "methods": list(protocol.methods),
        "interventions": {i.name: list(i.levels) for i in model.interventions},
        "variables": list(model.variables),
        "factors": factors,
        "train": [format_regime(model, active, "assignment") for active in samples.design.train],
        "regimes": named,
        "data": digest.hexdigest(),
    }


def collect(
    folder: Folder, samples: Samples, unseen: Regimes, protocol: Protocol, numbers: Iterable[int]
) -> Results:
    """The results of finished problems, in the order of `numbers`."""
    records = [folder.read(number) for number in numbers]
    settings = settings_of(samples, unseen, protocol)
    return Results(
        {**settings, "problems": len(records)},
        tuple(str(name) for name in settings["regimes"]),  # type: ignore[attr-defined]
        np.array([record["mean"] for record in records]),
        np.array([record["variance"] for record in records]),
        {
            method: np.array([record["estimates"][method] for record in records], dtype=np.float64)
            for method in protocol.methods
        },
        folder.notes(),
    )
