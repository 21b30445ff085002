"""How much of the whole space of regimes a design identifies."""
