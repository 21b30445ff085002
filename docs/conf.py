"""The documentation: `python -m sphinx -W --keep-going -b html docs docs/_build`. It needs no network."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# What the tutorials run is what stands beside the interpreter that builds, plain and on one core.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ.update(NO_COLOR="1", COLUMNS="80", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ["PYTHONSTARTUP"] = str(HERE / "_ext" / "notebook_start.py")

project = "ifm-ident"
author = "The ifm-ident developers"
copyright = author
release = version = installed("ifm-ident")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "command_help",
    "explorer",
    "native_mathml",
    "plain_docstrings",
]
# Names of other packages become links where their inventories can be fetched; the build itself needs no network.
if os.environ.get("IFM_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "networkx": ("https://networkx.org/documentation/stable", None),
        "anndata": ("https://anndata.readthedocs.io/en/stable", None),
    }
exclude_patterns = ["_build", "images/*.md"]
root_doc = "index"
needs_sphinx = "8.0"

myst_enable_extensions = ["deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Every code cell is run at each build, in a folder of its own; one that fails, or hangs, fails the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_ipywidgets_js = {}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
# scikit-learn adds these to every estimator; nothing here routes metadata
autodoc_default_options = {"exclude-members": "set_fit_request, set_predict_request, set_score_request"}
python_use_unqualified_type_names = True
maximum_signature_line_length = 80

html_theme = "pydata_sphinx_theme"
html_title = "ifm-ident"
html_static_path = ["_static"]
html_context = {"default_mode": "auto"}
html_sidebars = {page: [] for page in ("index", "start", "concepts", "reproduction", "genindex", "search")}
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_exclude = ".linenos, .gp, .go"

# `python -m sphinx -b linkcheck docs docs/_build` asks every address in the pages, where there is a network.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_workers = 4
linkcheck_anchors = False
linkcheck_rate_limit_timeout = 60
# these answer programs with 403, however right the address
linkcheck_ignore = [r"https://doi\.org/10\.(1126|1093|1198|1111|1137|1080|1214)/.*"]
