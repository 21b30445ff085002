"""Public data sets: the protein signalling cells of Sachs et al. and the DREAM network of the paper."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ifm_ident import Design, InputError, MissingExtraError, Model, Regimes
from ifm_ident.study import Table, open_table, table_of
from ifm_learn.data._public_designs import (
    DREAM_FILES,
    SACHS_FILES,
    SHARED_COLUMNS,
    dream_model,
    sachs_model,
)
from ifm_learn.data.columns import numbers
from ifm_learn.data.fetch import VARIABLE, Remote, data_folder, fetch, present
from ifm_learn.data.samples import Samples
from ifm_learn.data.scaling import Scale, Scaling

SACHS_REMOTE = Remote(
    "https://raw.githubusercontent.com/fernandoPalluzzi/SEMgraph/31eff1eab1f15e93d2e1bfcc869770424f75fb1a/data/sachs.RData",
    "4295e736063f558b3a2be3ad0803264f663f577e51ac90c82922d341c7dba64f",
    "sachs.RData",
)
_DREAM_URL = (
    "https://raw.githubusercontent.com/rbas-ucl/intgen/c3b9192242e26ef0cfdca5ea99937d566799a5db/dat/dream/"
)
_DREAM_SHA256 = {
    "observational": "a65c921f6e67312c9278daf51b8774992efbf90e38653977ee561cf1fa5e039c",
    "knockdowns_0": "6f253dd27f45292090e7ddf0827f2b1b67ef16f7fff04b77b418256444050ae0",
    "knockdowns_1": "9158ec1894c515a4e566d624d821e458fb001311b41e1513eb7e5778b4cb405d",
    "knockdowns_2": "070151ec73ecc17cd308809c7720080dc739ab46ada6ea81a11ef253e3ac952c",
    "knockdowns_3": "d5df30848709269eec511071260456ffc058db5fad7ae49326afdef181a1af14",
    "knockdowns_4": "be6eb20187939bdf7403717511428305a1735efa4732ac2681b80a1e84ef3dd9",
    "knockdowns_5": "b87ba7a24934cb403eaa5696254f6b3f2d894a37b2e064d3f21ab92da4b4aac8",
    "knockdowns_6": "f3ba1bb9504f7635f268a1137146bcf1eb6e39b2e7095a8c1ecd96d76df3c519",
    "knockdowns_7": "28937dfcbba79aeee76e777e4ab866c2f728e04eb2bfb1dfcd6c21665c14859e",
    "knockdowns_8": "90199a4e373d9a414799694d1d94c32ca0f469350a9729c8d88ad24846b5af83",
    "knockdowns_9": "3e23c22ed50cc811de434051a115613179fa87e318509990a911ab7ae8497df0",
}
DREAM_REMOTES = {
    name: Remote(f"{_DREAM_URL}{name}.csv", sha, f"{name}.csv") for name, sha in _DREAM_SHA256.items()
}


class SharedColumnsWarning(UserWarning):
    """Raf and Mek of a file that was loaded equal those of another file row by row: one of the two is wrong."""


def load_sachs(
    design: str = "inhibitors",
    *,
    combinations: bool = False,
    leave_out: Sequence[str] = (),
    scale: Scale = "paper",
    data_home: str | Path | None = None,
    download: bool = False,
) -> Samples:
    """Logarithms of 11 proteins in single T cells under stimuli and inhibitors (Science 308:523, 2005).

    design: `inhibitors`, the paper's (baseline and four inhibitors), `icam2` or `icam2-blocks` (baseline, ICAM-2 and
    five inhibitors), see `sachs_model`. combinations: also the measured combinations of ICAM-2 with an inhibitor,
    as further training regimes, in the same units as without: scaling looks at the others only. leave_out:
    variables not to be loaded, for the icam2 designs.

    Reads the folder `data_home` (else that of the environment variable IFM_DATA, else the user's cache): its
    sachs/NAME.csv, or sachs/sachs.RData, which `download` fetches (1 file, SHA-256 checked; reading it takes the
    package rdata). The copy on the web holds all five combinations, a folder those whose files are there.

    Warns, SharedColumnsWarning, where a file with doubtful values of Raf and Mek is loaded with these. Raises
    InputError where files are missing or not as expected, MissingExtraError without pooch or rdata.

    >>> load_sachs(data_home="no-such-folder")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-folder/sachs: there is neither cd3cd28.csv nor sachs.RData; download them with load_sachs(download=True), or name the folder that holds sachs/ by data_home= or the environment variable IFM_DATA
    """  # noqa: E501
    model = sachs_model(design, leave_out)
    folder = data_folder(data_home) / "sachs"
    here = {file: active for file, active in SACHS_FILES.items() if all(name in model.position for name in active)}
    single = [file for file, active in here.items() if len(active) < 2]
    if not (folder / f"{single[0]}.csv").exists():
        path = fetch(SACHS_REMOTE, folder) if download else present(SACHS_REMOTE, folder)
        if path is None:
            raise _missing(folder, f"neither {single[0]}.csv nor {SACHS_REMOTE.name}", "load_sachs")
        tables = _tables_of_rdata(path)
    else:
        paths = {file: folder / f"{file}.csv" for file in here}
        tables = {file: open_table(path) for file, path in paths.items() if file in single or path.exists()}
    if combinations and design == "inhibitors":
        raise InputError("combinations are of ICAM-2 and an inhibitor; load them with design='icam2'")
    files = [file for file in here if file in single or (combinations and file in tables)]
    if combinations and len(files) == len(single):
        raise InputError(
            f"{folder}: there is no file of a combination, such as cd3cd28icam2_aktinhib.csv; add one"
        )
    _warn_of_shared_columns(files, model)
    return _samples(model, {file: here[file] for file in files}, tables.__getitem__, scale, log=True)


def load_dream(*, scale: Scale = "paper", data_home: str | Path | None = None, download: bool = False) -> Samples:
    """A simulated ten-gene network (DREAM, InSilicoSize10-Ecoli1): baseline and ten knock-downs, 1,000 cells each.

    Reads dream/NAME.csv of the folder `data_home` (else that of the environment variable IFM_DATA, else the
    user's cache); `download` fetches what is not there (11 files, SHA-256 checked).

    Raises InputError where files are missing or not as expected, MissingExtraError without pooch.

    >>> load_dream(data_home="no-such-folder")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-folder/dream: there is no observational.csv; download them with load_dream(download=True), or name the folder that holds dream/ by data_home= or the environment variable IFM_DATA
    """  # noqa: E501
    folder = data_folder(data_home) / "dream"

    def table(name: str) -> Table:
        path = folder / f"{name}.csv"
        if download:
            path = fetch(DREAM_REMOTES[name], folder)
        elif not path.exists():
            raise _missing(folder, f"no {path.name}", "load_dream")
        return open_table(path)

    return _samples(dream_model(), DREAM_FILES, table, scale, log=False)


def _samples(
    model: Model, files: Mapping[str, tuple[str, ...]], table: Callable[[str], Table], scale: Scale, log: bool
) -> Samples:
    """The rows of files, each a training regime in the order given; combinations do not count for the scaling."""
    parts = []
    for file in files:
        found = table(file)
        rows = np.arange(found.row_count)
        parts.append(np.stack([numbers(found, name, rows, log) for name in model.variables], axis=1))
    x = np.concatenate(parts)
    regime = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    active = [tuple((model.position[name], 1) for name in names) for names in files.values()]
    single = np.array([len(names) < 2 for names in files.values()])[regime]
    logs = np.full(len(model.variables), log)
    scaling = Scaling.of(x[single], regime[single], scale, logs, model.variables)
    design = Design(model, Regimes.from_active(active, len(model)))
    return Samples(design, regime, (x - scaling.shift) / scaling.unit, scaling=scaling)


def _tables_of_rdata(path: Path) -> dict[str, Table]:
    """The data frames of the list `sachs$rawdata`, by the names of the files they are the same as."""
    try:
        import rdata
    except ImportError:
        raise MissingExtraError("rdata", "data") from None
    frames = rdata.read_rda(path)["sachs"]["rawdata"]
    return {str(name): Table(f"{path}, {name}", table_of(frame).data) for name, frame in frames.items()}


def _warn_of_shared_columns(files: Iterable[str], model: Model) -> None:
    columns = [name for name in ("Raf", "Mek") if name in model.variables]
    loaded = set(files)
    pairs = [pair for pair in SHARED_COLUMNS if loaded & set(pair)]
    if columns and pairs:
        words = "; ".join(f"{one} equal those of {other}" for one, other in pairs)
        warnings.warn(
            f"the public Sachs data have a defect: {' and '.join(columns)} of {words}, row by row. One of each "
            "pair is wrong, which is not known: rest no claim on these columns",
            SharedColumnsWarning,
            stacklevel=3,
        )


def _missing(folder: Path, what: str, loader: str) -> InputError:
    return InputError(
        f"{folder}: there is {what}; download them with {loader}(download=True), or name the folder that holds "
        f"{folder.name}/ by data_home= or the environment variable {VARIABLE}"
    )
