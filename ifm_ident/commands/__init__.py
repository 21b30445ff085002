"""The commands of the command line, one module each; `options` holds what they share."""

from ifm_ident.commands._options import (
    Output,
    files,
    limit_option,
    load_study,
    open_sink,
    output_options,
    progress,
    refuse_given,
    refuse_terminal,
    remark,
    say,
    stages,
    study_argument,
    test_option,
    with_test,
)

__all__ = [
    "Output",
    "files",
    "limit_option",
    "load_study",
    "open_sink",
    "output_options",
    "progress",
    "refuse_given",
    "refuse_terminal",
    "remark",
    "say",
    "stages",
    "study_argument",
    "test_option",
    "with_test",
]
