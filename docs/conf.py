"""How Sphinx builds these pages: ``sphinx-build -W docs docs/_build``."""

import inspect
import re
from importlib import import_module
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
numpydoc_show_class_members = False  # the template of a class lists them
numpydoc_use_plots = True

plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 120)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",  # others are shown, and not run
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "min_reported_time": 1e9,  # how long it takes depends on the machine
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "skrnn"
html_static_path = ["_static"]
html_css_files = ["skrnn.css"]
html_show_sourcelink = False
html_sidebars = {"install": [], "start": [], "migrating": [], "faq": [], "changelog": []}
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



def public_methods(module: str, name: str) -> list[str]:
    """Methods of a class, but for scikit-learn's requests of metadata."""
    members = inspect.getmembers(getattr(import_module(module), name), callable)
    return [m for m, _ in members if not re.match(r"_|get_metadata|set_\w+_request", m)]


def own_methods(module: str, name: str) -> list[str]:
    """Those of them that skrnn documents."""
    each = getattr(import_module(module), name)
    return [
        method
        for method in public_methods(module, name)
        if getattr(each, method).__module__.startswith("skrnn")
    ]


autosummary_context = {"public_methods": public_methods, "own_methods": own_methods}

EXAMPLE = re.compile(r"\]\(\.\./examples/(\w+)\.py\)")


def link_gallery(app: Any, page: str, source: list[str]) -> None:
    """Lead links to scripts, which readers of the files follow, to their pages."""
    source[0] = EXAMPLE.sub(r"](auto_examples/\1.rst)", source[0])


def setup(app: Any) -> None:
    """Add what no extension does."""
    app.connect("source-read", link_gallery)
