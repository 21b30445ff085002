"""Where the views of this package's values are; filled into `ifm_ident.views` when the package is imported."""

from __future__ import annotations

VIEWS = {
    "ifm_learn.estimation.comparison.Comparison arrow": "ifm_learn.estimation.comparison_text.comparison_table",
    "ifm_learn.estimation.comparison.Comparison html": "ifm_learn.estimation.comparison_text.comparison_html",
    "ifm_learn.estimation.comparison.Comparison text": "ifm_learn.estimation.comparison_text.comparison_text",
    "ifm_learn.estimation.result.Estimates anndata": "ifm_learn.estimation._profiles.profiles",
    "ifm_learn.estimation.result.Estimates arrow": "ifm_learn.estimation.write.arrow_table",
    "ifm_learn.estimation.result.Estimates html": "ifm_learn.estimation.text.short_html",
    "ifm_learn.estimation.result.Estimates json": "ifm_learn.estimation.write.mapping",
    "ifm_learn.estimation.result.Estimates text": "ifm_learn.estimation.text.short_text",
    "ifm_learn.factors.choosing.ChosenFactors arrow": "ifm_learn.factors.write.table",
    "ifm_learn.factors.choosing.ChosenFactors html": "ifm_learn.factors.write.short_html",
    "ifm_learn.factors.choosing.ChosenFactors text": "ifm_learn.factors.write.short_text",
    "ifm_learn.falsification.testing.Falsification arrow": "ifm_learn.falsification._view.findings_table",
    "ifm_learn.falsification.testing.Falsification html": "ifm_learn.falsification._view.findings_html",
    "ifm_learn.falsification.testing.Falsification text": "ifm_learn.falsification._view.findings_text",
    "ifm_learn.suggestion.suggestions.Suggestions arrow": "ifm_learn.suggestion.write.arrow_table",
    "ifm_learn.suggestion.suggestions.Suggestions html": "ifm_learn.suggestion.write.short_html",
    "ifm_learn.suggestion.suggestions.Suggestions json": "ifm_learn.suggestion.write.mapping",
    "ifm_learn.suggestion.suggestions.Suggestions text": "ifm_learn.suggestion.write.short_text",
}
