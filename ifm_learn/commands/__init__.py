"""Commands that learn from data, added to `ifm` by the entry point `learn` of the group `ifm.commands`."""

COMMANDS = {
    "fit": ("Fit the density model once and keep it in a file.", "ifm_learn.commands.fit:command"),
    "estimate": (
        "Means and effects in the test regimes from data, with confidence and prediction intervals.",
        "ifm_learn.commands.estimate:command",
    ),
    "falsify": (
        "Test the implications on data, with p-values and a multiplicity correction.",
        "ifm_learn.commands.falsify:command",
    ),
    "suggest": (
        "Which regimes to run next for the best outcome, to learn, or to refute the factors.",
        "ifm_learn.commands.suggest:command",
    ),
    "factors": (
        "Which factors the data support: candidates added and dropped, and what cannot be told.",
        "ifm_learn.commands.factors:command",
    ),
    "reproduce": ("The paper's experiments: tables and figures.", "ifm_learn.commands.reproduce:command"),
}
"""Each command with what it does and where it is."""
