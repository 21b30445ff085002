"""Harnesses of what reads models and estimates: see `harnesses.py`."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident.report._result_files import load_result
from ifm_ident.study.study import Study
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.fitted import FittedModel
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.fitted_ladder import FittedLadder, load_fitted
from ifm_learn.estimation.on_page import part as estimates_part
from ifm_learn.falsification.on_page import part as findings_part
from tests.fuzz.choices import Choices, altered, mutated


@functools.cache
def _rows() -> Samples:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x", "y"],
            "factors": [{"x": ["x"], "sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01"],
        }
    )
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 40)
    return Samples(study.design, regime, rng.normal(size=(120, 2)) + regime[:, None])


@functools.cache
def fitted(tables: bool) -> bytes:
    """A fitted model, as the file that `save` writes: a density in tables, or an average over the ladder."""
    samples = _rows()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        if tables:
            density = fit_density(samples, energy="quadratic", ridge=Ridge(0.1, 0.1), starts=1, bins=4)
            FittedModel(density, 0, 0.2, "0" * 64, ()).save(Path(folder) / "m.npz")
        else:
            FittedLadder.fit(samples).save(Path(folder) / "m.npz")
        return (Path(folder) / "m.npz").read_bytes()


def models(choices: Choices, folder: Path) -> str:
    """A saved model: bytes, its header, or the numbers of its arrays; a model that is read gives probabilities."""
    tables = bool(choices.below(2))
    data, path = fitted(tables), folder / "m.npz"
    kind = choices.below(4)
    if kind == 0:
        data = mutated(data, choices)
    else:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != "rows.json"}
        if kind == 1:
            arrays["header"] = np.array(json.dumps(altered(json.loads(str(arrays["header"])), choices)))
        else:
            name = choices.pick(sorted(arrays))
            arrays[name] = _spoilt(arrays[name], choices)
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        data = stream.getvalue()
    path.write_bytes(data)
    if not tables:
        return _ladder(path)
    model = DensityModel.load(path)
    for marginal in model.marginals(model.design.train):
        if not (np.isfinite(marginal).all() and (marginal >= 0).all() and np.allclose(marginal.sum(axis=-1), 1)):
            raise AssertionError("a model that was read gives no probabilities")
    return "read"


def _ladder(path: Path) -> str:
    """A ladder that is read answers, or says that it is damaged; a share of a weight is never more than all."""
    model, samples = load_fitted(path), _rows()
    if not isinstance(model, FittedLadder):
        raise AssertionError("a ladder was taken for tables")
    found = model.work(model.held(samples), "ifm1", Fraction(1, 10)).estimate(samples.design.train)
    if not ((found.weights >= 0).all() and np.allclose(found.weights.sum(axis=0), 1)):
        raise AssertionError("a ladder that was read has no shares")
    return "read"


def _spoilt(array: Any, choices: Choices) -> Any:
    kind = choices.below(7)
    if kind == 0:
        return array[..., None]
    if kind == 1:
        return array[:-1] if array.ndim else array[None]
    if kind == 2 or not array.size or array.dtype.kind not in "fiu":
        return np.array(choices.pick(("", "x", "{}")))
    if kind == 3:
        with np.errstate(invalid="ignore", over="ignore"):
            return array.astype(choices.pick(("int8", "float16", "complex128", "str", "float32", "bool")))
    flat = array.astype(float).ravel().copy()
    flat[choices.below(len(flat))] = choices.pick(
        (-1.0, 0.0, 7.5, 200.0, *([np.nan, np.inf, -np.inf, 1e308, 1e-308] * (kind < 6)))
    )
    return (flat if kind == 4 else flat.reshape(array.shape)).astype(array.dtype if kind == 6 else float)


def estimates(choices: Choices, folder: Path) -> str:
    """A result of `ifm estimate` or `ifm falsify`, as the page of a report reads it."""
    study = Study.from_dict({"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"]})
    path, which = folder / "e.json", choices.below(2)
    row = {"regime": {"A": 1}, "status": "observed", "mean": 0.4, "se": 0.1, "confidence": [0, 1], "flags": []}
    row |= {
        "prediction": [None, 1.5],
        "ess": 3.5,
        "guarantee": "exact-ratio",
        "support": 0.5,
        "note": "n",
        "of": "x",
    }
    claim = {
        "kind": "equality",
        "terms": [{"train": 0, "exponent": "1"}],
        "p": 0.2,
        "rejected": False,
        "ess": [3, 4],
    }
    data = (
        {"schema": "ifm-estimate/1", "method": "ifm1", "alpha": "0.1", "outcome": "x", "results": [row]},
        {"schema": "ifm-falsify/1", "alpha": "0.05", "results": [claim], "untested": [{"regime": {"A": 1}}]},
    )[which]
    text = json.dumps(altered(data, choices)).encode()
    path.write_bytes(mutated(text, choices) if choices.below(2) else text)
    found = load_result(path)
    part = (estimates_part, findings_part)[which](study, found, str(path))
    str(part)
    return "read"
