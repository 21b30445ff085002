"""Where the views of this package's values are; filled into `ifm_ident.views` when the package is imported."""

from __future__ import annotations

VIEWS = {
    "ifm_ident.answer.identification.Answer html": "ifm_ident.show._notebook.answer_html",
    "ifm_ident.answer.identification.Answer text": "ifm_ident.show._notebook.answer_text",
    "ifm_ident.answer.identification.Identification arrow": "ifm_ident.results._parquet.identification_table",
    "ifm_ident.answer.identification.Identification html": "ifm_ident.show._notebook.identification_html",
    "ifm_ident.answer.identification.Identification text": "ifm_ident.show._notebook.identification_text",
    "ifm_ident.implications.testable.Implications arrow": "ifm_ident.show._implications_view.implications_table",
    "ifm_ident.implications.testable.Implications html": "ifm_ident.show._implications_view.implications_html",
    "ifm_ident.implications.testable.Implications text": "ifm_ident.show._implications_view.implications_text",
    "ifm_ident.planning.planner.Plan arrow": "ifm_ident.show._planning_view.plan_table",
    "ifm_ident.planning.planner.Plan html": "ifm_ident.show._planning_view.plan_html",
    "ifm_ident.planning.planner.Plan text": "ifm_ident.show._planning_view.plan_text",
    "ifm_ident.shares.shares.Shares arrow": "ifm_ident.show._shares_view.shares_table",
    "ifm_ident.shares.shares.Shares html": "ifm_ident.show._shares_view.shares_html",
    "ifm_ident.shares.shares.Shares text": "ifm_ident.show._shares_view.shares_text",
    "ifm_ident.study.study.Study explanation": "ifm_ident.show.explanation.explanation",
}
