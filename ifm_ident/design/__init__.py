"""The model, its regimes and how these are written: what everything else speaks of."""

from ifm_ident.design.bases import Basis, exact, plain_number
from ifm_ident.design.model import level_text, require_names
from ifm_ident.design.notation import Notation, format_regime, format_regimes, parse_map, parse_regime
from ifm_ident.design.regimes import Active, regime_map
from ifm_ident.design.spaces import Listed, UpToOrder
from ifm_ident.design.texts import code_points, look

__all__ = [
    "Active",
    "Basis",
    "Listed",
    "Notation",
    "UpToOrder",
    "code_points",
    "exact",
    "format_regime",
    "format_regimes",
    "level_text",
    "look",
    "parse_map",
    "parse_regime",
    "plain_number",
    "regime_map",
    "require_names",
]
