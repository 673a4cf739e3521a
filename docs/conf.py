"""The documentation as a site: `make docs`, then open docs/_build/html/index.html."""

from importlib.metadata import version as installed_version
from pathlib import Path

HOME = "https://github.com/tmtv-tf/tmtv-tf"

project = "tmtv-tf"
copyright = "the tmtv-tf contributors, Apache-2.0"
release = version = installed_version("tmtv-tf")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc", "myst_nb"]
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext", ".ipynb": "myst-nb"}

# The reference is generated: each front door (`__all__`) lists what is documented, the docstrings say the rest.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"  # the signature stays readable; shapes and units are in the docstring
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
default_role = "code"  # `name` in a docstring is code, as in Markdown

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # tests/docs/test_notebook.py runs the notebook; its pictures are committed

html_theme = "pydata_sphinx_theme"
html_title = "tmtv-tf"
html_theme_options = {
    "icon_links": [{"name": "Source", "url": HOME, "icon": "fa-brands fa-github"}],
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["not_a_medical_device"],
    "footer_end": [],
}
html_show_sourcelink = False
nitpicky = (
    False  # docstrings write types as text ("(Z, Y, X) bool"); links between pages are checked all the same
)


def results_of_benchmarks() -> list[str]:
    """The dated measurements of benchmarks/results, newest first."""
    folder = Path(__file__).parent.parent / "benchmarks" / "results"
    return sorted((path.name for path in folder.glob("*.md")), reverse=True)
