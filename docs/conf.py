"""The documentation as a site: `make docs`, then open docs/_build/html/index.html."""

import re
import shutil
import sys
from configparser import ConfigParser
from pathlib import Path

HOME = "https://github.com/tmtv-tf/tmtv-tf"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

project = "tmtv-tf"
copyright = "the tmtv-tf contributors, Apache-2.0"
_setup = ConfigParser()
_setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
release = version = _setup["metadata"]["version"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc", "myst_nb"]
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}

# The reference is generated: each front door (`__all__`) lists what is documented, the docstrings say the rest.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"  # the signature stays readable; shapes and units are in the docstring
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
default_role = "code"  # `name` in a docstring is code, as in Markdown
nitpicky = False  # docstrings write types as text; links between pages are checked all the same

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # tests/docs/test_notebook.py runs the notebook; its pictures are committed

html_theme = "pydata_sphinx_theme"
html_title = "tmtv-tf"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "icon_links": [{"name": "Source", "url": HOME, "icon": "fa-brands fa-github"}],
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["not_a_medical_device"],
    "footer_end": [],
}
html_show_sourcelink = False


def copy_results(app) -> None:
    """The dated measurements of benchmarks/results become pages of the site."""
    folder = Path(app.srcdir) / "explanation" / "results"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if not (RESULTS / old.name).is_file():
            old.unlink()
    for path in RESULTS.glob("*.md"):
        text = path.read_text(encoding="utf-8").replace("](../../docs/", "](../../")
        page = folder / path.name
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    for picture in RESULTS.glob("*.png"):
        shutil.copy2(picture, folder)


def write_commands(app) -> None:
    """The reference of the commands, from the commands."""
    sys.path.insert(0, str(Path(__file__).parent))
    import command_pages

    command_pages.write(Path(app.srcdir) / "reference" / "generated" / "commands.md")


def link_results(app, docname: str, source: list[str]) -> None:
    """Links that hold in a clone hold on the site too."""
    source[0] = re.sub(r"\]\((\.\./)*benchmarks/results/", "](/explanation/results/", source[0])


def setup(app) -> None:
    app.connect("builder-inited", copy_results, priority=100)
    app.connect("builder-inited", write_commands, priority=100)
    app.connect("source-read", link_results)
