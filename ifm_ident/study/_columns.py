"""What the columns of a table nobody prepared look like: their values, and what their names suggest."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.arrays import Ints
from ifm_ident.design.texts import is_missing, look
from ifm_ident.errors import InputError
from ifm_ident.study.reading._table import Table
from ifm_ident.study.reading.label_conventions import is_known_control

UNITS = frozenset((
    "mouse", "mice", "rat", "animal", "patient", "subject", "participant", "plant", "fish", "individual",
    "organoid", "well", "dish", "flask", "embryo",
))  # fmt: skip
COVARIATES = frozenset((
    "plate", "batch", "donor", "replicate", "rep", "block", "day", "run", "lane", "site", "lab", "center",
    "centre", "sex", "age", "chip", "slide", "cage", "litter", "country", "region", "city", "device", "browser",
    "os", "platform", "segment", "language", "gender",
))  # fmt: skip
OUTCOMES = frozenset((
    "outcome", "response", "y", "viability", "yield", "survival", "growth", "score", "readout", "signal",
    "fitness", "len", "length", "call", "titer", "titre", "activity", "phenotype", "confluence", "rgr", "auc",
    "converted", "conversion", "conversions", "clicked", "clicks", "purchased", "retained", "churned", "revenue",
    "spend", "sales",
))  # fmt: skip
DOSES = frozenset((
    "dose", "doses", "dosage", "conc", "concentration", "time", "hour", "hours", "day", "days", "temperature",
    "temp", "pct",
))  # fmt: skip
PERTURBATIONS = frozenset((
    "regime", "perturbation", "perturbations", "perturbation_name", "perturbation_label", "guide", "guides",
    "guide_id", "guide_ids", "guide_identity", "sgrna", "grna", "target_gene", "gene_target", "perturbed_gene",
))  # fmt: skip
"""Names of columns that hold labels whatever else is there."""

LABELS = frozenset((
    "label", "regime", "perturbation", "perturbations", "perturbation_name", "perturbation_label", "condition",
    "condition_name", "guide", "guides", "guide_id", "guide_ids", "guide_identity", "sgrna", "grna", "gene",
    "target_gene", "gene_target", "perturbed_gene",
))  # fmt: skip
CELLS = frozenset((
    "phase", "leiden", "louvain", "cluster", "clusters", "cell_type", "celltype", "cell_line", "umap", "tsne",
    "n_genes", "n_genes_by_counts", "total_counts", "n_counts", "ncounts", "ngenes", "nperts", "percent_mito",
    "percent_ribo", "pct_counts_mt", "pct_counts_mito", "s_score", "g2m_score", "size_factor", "size_factors",
    "log1p_total_counts", "log1p_n_genes_by_counts", "doublet_score", "n_cells",
))  # fmt: skip
"""Names that scanpy, pertpy and scPerturb give to what is computed from the cells themselves."""

STATES = frozenset((
    "ko", "kd", "oe", "het", "hom", "null", "mut", "mutant", "del", "knockout", "knockdown", "overexpressed",
    "true", "false", "yes", "no", "y", "n", "on", "off", "high", "mid", "medium", "low", "up", "down", "treated",
    "untreated", "present", "absent", "active", "inactive", "with", "without", "drug", "compound", "+", "-",
    "+/+", "+/-", "-/-", "0", "1", "-1",
))  # fmt: skip
"""Words that say how an intervention of a column's own is, and name none."""

TOTALS = frozenset(
    ("total", "subtotal", "grand total", "sum", "mean", "average", "overall", "summary", "median", "sd")
)
"""Words of rows that sum others up."""

_ROW_NAMES = frozenset((
    "index", "id", "row", "rownames", "unnamed: 0", "barcode", "cell", "cell_id", "cell_barcode",
))  # fmt: skip
_NUMBERED = frozenset(("id", "ids", "index", "idx", "nr", "barcode"))
_DATE = re.compile(r"([0-9]{4}([-/.])[0-9]{1,2}\2[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\3[0-9]{2,4})([T ].*)?")
_AS_WRITTEN = re.compile(r"[-+]?([0-9]{1,3}([,' ][0-9]{3})+|[0-9]+)([.,][0-9]+)?([eE][-+]?[0-9]+)? ?%?")
_CONTROLS = frozenset((
    "vehicle", "dmso", "wt", "wildtype", "untreated", "mock", "pbs", "placebo", "saline", "scramble",
    "scrambled", "water", "safetargeting", "aavs1", "unstimulated", "unstim", "notreatment", "notreat",
    "negative", "neg", "baseline", "empty", "nodrug", "sham", "kontrolle", "unbehandelt", "témoin", "temoin",
    "contrôle", "controle", "nontraité", "nontraite", "testigo", "sintratamiento", "sintratar", "controllo",
    "nontrattato", "semtratamento",
))  # fmt: skip
_MOST_TEXTS = 20_000
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def is_control(text: str) -> bool:
    """Whether a text is a usual name of what was not treated; a word for a missing value never is.

    >>> [is_control(text) for text in ("DMSO", "wild-type", "NegCtrl0", "saline_sham", "None", "NA", "A")]
    [True, True, True, True, False, False, False]
    """
    plain = re.sub("[-_ ]", "", look(text)).casefold()
    words = re.split("[-_ ]+", look(text).casefold())
    known = plain in _CONTROLS or all(word in _CONTROLS for word in words)
    return not is_missing(text) and (is_known_control(text) or known)


def words_in(name: str) -> list[str]:
    """The words of a column's name, in lower case.

    >>> words_in("MouseID"), words_in("drug_dose (uM)"), words_in("nPerts")
    (['mouse', 'id'], ['drug', 'dose', 'u', 'm'], ['n', 'perts'])
    """
    return [word.lower() for word in _WORD.findall(name)]


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its distinct texts as they come, `codes` of each row, shape (n,), -1 where nothing stands.

    values: the number that each text writes, None where one writes none (but for missing ones). missing: how many
    cells are blank or a word for it; first_missing: the first such row. typed: whether the column has a type of
    text. reason: why it cannot be read.
    """

    name: str
    texts: tuple[str, ...]
    codes: Ints
    values: tuple[float, ...] | None
    missing: int
    first_missing: int
    typed: bool
    reason: str = ""

    @classmethod
    def of(cls, table: Table, name: str, rows: Ints) -> Column:
        """The column of a table in these rows, ascending; one that cannot be read has the reason."""
        nothing = np.zeros(0, dtype=np.int64)
        try:
            texts = table.texts(name)
            texts = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
        except InputError as error:
            return cls(name, (), nothing, None, 0, -1, True, str(error))
        encoded = texts.combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        found = encoded.dictionary.to_pylist()
        values = _numbers(found)
        if values is not None and found:
            lost = np.array([False] * len(found) + [True])
        else:
            lost = np.array([is_missing(text) for text in found] + [True])
            some = _numbers([text for text, gone in zip(found, lost, strict=False) if not gone])
            if some is not None:
                order = iter(some)
                values = tuple(math.nan if gone else next(order) for gone in lost[:-1].tolist())
        gone = lost[codes]
        return cls(
            name,
            tuple(found),
            codes,
            values,
            int(gone.sum()),
            int(rows[np.argmax(gone)]) if gone.any() else -1,
            not table.by_value(name),
        )

    @property
    def numeric(self) -> bool:
        """Whether every cell that is not missing writes a finite number, and one does."""
        return self.values is not None and not all(map(math.isnan, self.values))

    @property
    def by_value(self) -> bool:
        """Whether levels may be written as numbers."""
        return self.numeric and not self.typed

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its distinct texts but for blank ones and words for a missing value."""
        return tuple(text for text in self.texts if not is_missing(text))

    @property
    def blank_only(self) -> bool:
        """Whether what is missing is blank, not a word for it."""
        return all(not text.strip() for text in self.texts if is_missing(text))

    @property
    def key(self) -> str:
        """The name as tables of names have it."""
        return re.sub("[- .]+", "_", self.name.strip()).casefold()

    def named(self, names: frozenset[str]) -> bool:
        """Whether the name is one of these, or has at most three words of which one is; a letter only alone."""
        found = [word for word in words_in(self.name) if not word.isdigit()]
        telling = [word for word in found if len(word) > 1 or len(found) == 1]
        return self.key in names or (len(found) <= 3 and any(word in names for word in telling))

    @property
    def names_rows(self) -> bool:
        """Whether it only numbers or names the rows."""
        if not self.name:
            return True
        if not len(self.texts) == len(self.codes) > 2:
            return False
        counted = self.values is not None and bool((np.diff(self.values) == 1).all())
        whole = self.values is not None and all(value.is_integer() for value in self.values)
        return (self.key in _ROW_NAMES and whole) or counted or not self.numeric

    @property
    def identifies(self) -> bool:
        """Whether its name says that its whole numbers name things, such as `sample_id`."""
        return (
            self.values is not None
            and all(value.is_integer() for value in self.values if not math.isnan(value))
            and words_in(self.name)[-1:] != []
            and words_in(self.name)[-1] in _NUMBERED
        )

    @property
    def is_dates(self) -> bool:
        """Whether every text is a date, with or without a time."""
        return not self.numeric and bool(self.words) and all(map(_DATE.fullmatch, map(str.strip, self.words)))

    @property
    def writes_numbers_otherwise(self) -> bool:
        """Whether every text is a number that people write and no program reads: 1,500, 5 %, a long minus."""
        return (
            not self.numeric
            and bool(self.words)
            and all(_AS_WRITTEN.fullmatch(look(t.strip())) for t in self.words)
        )

    @cached_property
    def levels(self) -> list[str | int | float]:
        """Its levels, the guessed baseline first: a usual name of the control or of none, else the least.

        Numbers that are one value under several texts come once.
        """
        if self.by_value:
            assert self.values is not None
            numbers = sorted({value for value in self.values if not math.isnan(value)})
            return [int(value) if value.is_integer() and abs(value) < 2**53 else value for value in numbers]
        if self.numeric:
            assert self.values is not None
            pairs = sorted((v, text) for v, text in zip(self.values, self.texts, strict=True) if not math.isnan(v))
            return [text for _, text in pairs]
        return sorted(self.words, key=lambda text: (not _says_none(str(text)), str(text)))

    @property
    def baseline_by_name(self) -> bool:
        """Whether the first level says by its name that nothing was done."""
        return not self.numeric and _says_none(str(self.levels[0]))

    @property
    def baseline_is_nothing(self) -> bool:
        """Whether the first level is 0 or says by its name that nothing was done, as an empty cell may."""
        if self.numeric:
            return float(self.levels[0]) == 0
        return bool(self.levels) and self.baseline_by_name

    def blocks(self) -> str:
        """How rows of one prefix belong together, where each text is PREFIX_NUMBER; "" else."""
        if self.numeric or len(self.texts) != len(self.codes):
            return ""
        parts = [re.fullmatch(r"(.+?)[-_.][0-9]+", text) for text in self.texts]
        if not all(parts):
            return ""
        heads = {part[1] for part in parts if part}
        return parts[0][1] if parts[0] and 1 < len(heads) <= len(self.texts) // 2 else ""


_NOTHING = frozenset(("0", "no", "No", "NO", "-", "false", "False", "FALSE", "low", "Low", "absent", "off"))


def _says_none(text: str) -> bool:
    return is_control(text) or text in _NOTHING


def _numbers(texts: list[str]) -> tuple[float, ...] | None:
    """The finite numbers that texts write; None where one writes none."""
    try:
        found = pc.utf8_trim_whitespace(pa.array(texts, pa.large_string())).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values = tuple(found.to_pylist())
    return values if all(value is not None and math.isfinite(value) for value in values) else None
