"""How Sphinx builds these pages: ``sphinx-build -W docs docs/_build``."""

import inspect
import re
from importlib import import_module
from itertools import count
from textwrap import indent
from typing import Any

import skrnn

project = "skrnn"
author = "skrnn developers"
project_copyright = "skrnn developers"
version = release = skrnn.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.md5", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
default_role = "code"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc tells them in words
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of a class lists them
numpydoc_use_plots = True

plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 120)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": "/plot_",  # others are shown, and not run
    "abort_on_example_error": True,
    "capture_repr": (),
    "remove_config_comments": True,
    "min_reported_time": 1e9,  # how long it takes depends on the machine
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"skrnn {release}"
html_static_path = ["_static"]
html_css_files = ["skrnn.css"]
html_show_sourcelink = False
html_sidebars = {"install": [], "start": []}  # nothing stands beside them
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def public_methods(each: type) -> list[str]:
    """Methods of a class, but for scikit-learn's requests of metadata."""
    members = inspect.getmembers(each, inspect.isroutine)
    return [m for m, _ in members if not re.match(r"_|get_metadata|set_\w+_request", m)]


MODULES = ["", ".forecasting", ".inspection", ".panel"]
METHODS = {
    f"skrnn{module}.{name}": public_methods(getattr(home, name))
    for module in MODULES
    for home in [import_module(f"skrnn{module}")]
    for name in home.__all__
    if inspect.isclass(getattr(home, name))
}


def is_ours(name: str, method: str) -> bool:
    """Whether a method is written here, and not in scikit-learn or sktime."""
    home, _, each = name.rpartition(".")
    function = getattr(getattr(import_module(home), each), method)
    return getattr(function, "__module__", "").startswith("skrnn")


autosummary_context = {  # plain values, which Sphinx can keep from build to build
    "public_methods": METHODS,
    "own_methods": {
        name: [method for method in methods if is_ours(name, method)]
        for name, methods in METHODS.items()
    },
}

EXAMPLE = re.compile(r"\]\(\.\./examples/(\w+)\.py\)")
PLOT = re.compile(r"^```\{plot\}\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def rewrite(app: Any, page: str, source: list[str]) -> None:
    """Say in Sphinx's own words what pages say in words that readers of files follow.

    Links to scripts lead to their pages in the gallery; matplotlib's directive reads
    reStructuredText only; the empty line that ends an example is not shown.
    """
    numbers = count(1)  # of pictures; the directive would begin anew in each block

    def draw(found: re.Match[str]) -> str:
        head = f".. plot::\n   :filename-prefix: {page}-{next(numbers)}\n"
        return f"```{{eval-rst}}\n{head}{indent(found[1], '   ')}```"

    text = EXAMPLE.sub(r"](auto_examples/\1.rst)", source[0])
    source[0] = PLOT.sub(draw, text.replace("\n\n```\n", "\n```\n"))


LABEL = re.compile(r":ref:`([^`<]+?)\s*<\w+>`")


def forget_labels(app: Any, what: Any, name: Any, each: Any, options: Any, lines: Any):
    """Keep the words of links that docstrings of scikit-learn make within its pages."""
    lines[:] = [LABEL.sub(r"\1", line) for line in lines]


def setup(app: Any) -> None:
    """Add what no extension does."""
    app.connect("autodoc-process-docstring", forget_labels)
    app.connect("source-read", rewrite)
