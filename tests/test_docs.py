"""Docstrings, compared with the signatures, with each other and with numpydoc."""

import inspect
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString
from numpydoc.validate import validate

import skrnn
import skrnn.datasets
import skrnn.forecasting
import skrnn.inspection
import skrnn.metrics
import skrnn.panel
import skrnn.testing

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = {
    "bash",
    "py",
    "text",
    "sh",
    "{image}",
    "{include}",
    "{toctree}",
    "{eval-rst}",
}
MODULES = ["datasets", "forecasting", "inspection", "metrics", "panel", "testing"]
PUBLIC = {
    **{name: getattr(skrnn, name) for name in skrnn.__all__ if "Error" not in name},
    **{
        f"{module}.{name}": getattr(getattr(skrnn, module), name)
        for module in MODULES
        for name in getattr(skrnn, module).__all__
        if hasattr(getattr(getattr(skrnn, module), name), "__name__")  # no scorer
    },
}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}
NETWORKS = [
    name
    for name, each in CLASSES.items()
    if "hidden_size" in inspect.signature(each).parameters
]
METHODS = {
    f"{name}.{method}": member
    for name, each in CLASSES.items()
    for method, member in inspect.getmembers(each, inspect.isroutine)
    if not method.startswith("_") and member.__module__.startswith("skrnn")
}
NOT_ASKED = {
    "EX01",  # examples: asked below, of classes and functions only
    "ES01",  # extended summary: one line can be enough
    "GL01",  # the summary stands in the line of the quotes
    "GL08",  # no docstring: ruff's D rules ask for it
    "RT02",  # what is returned has a name here
    "SA01",  # see also
    "YD01",  # yields
}
PER_TASK = {"loss", "n_outputs_", "estimator_", "module_"}  # as tasks differ
OF_ITS_OWN = {
    "Forecaster": {  # windows, paths, held-out values
        "batch_size",
        "callbacks",
        "device",
        "engine",
        "dropout",
        "early_stopping",
        "hidden_size",
        "loss",
        "max_epochs",
        "module_",
        "random_state",
    },
    "LanguageModel": {  # tokens; parts of texts; one process, one direction
        "batch_size",
        "bptt",
        "callbacks",
        "device",
        "embedding",
        "hidden_size",
        "n_categories_",
    },
    "Transducer": {"n_categories_"},
    "Recommender": {  # sessions of items
        "batch_size",
        "bptt",
        "callbacks",
        "device",
        "dropout",
        "embedding",
        "hidden_size",
        "history_",
        "max_epochs",
        "min_count",
        "n_categories_",
        "validation_fraction",
        "warm_start",
    },
}
PER_LIBRARY = {"classes_"}  # as scikit-learn and sktime differ: several labels


def docstring(name):
    return NumpyDocString(inspect.getdoc(PUBLIC[name]))


def defaults(function):
    """Name and default of each parameter; ``inspect.Parameter.empty`` for none."""
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_are_documented_in_order_with_their_defaults(name):
    documented = {p.name: p.type for p in docstring(name)["Parameters"]}
    actual = defaults(PUBLIC[name])
    assert list(documented) == list(actual)
    for parameter, default in actual.items():
        written = re.search(r"default=(.+)$", documented[parameter])
        if default is inspect.Parameter.empty:
            assert written is None, parameter
        else:
            assert written is not None, parameter
            assert eval(written[1]) == default, parameter


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_object_has_an_example(name):
    assert any(line.startswith(">>>") for line in docstring(name)["Examples"])


@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_shared_names_have_the_same_text_in_all_networks(section):
    texts = defaultdict(lambda: defaultdict(list))
    for name in NETWORKS:
        for entry in docstring(name)[section]:
            family = [
                f for f in OF_ITS_OWN if f in name and entry.name in OF_ITS_OWN[f]
            ]
            texts[entry.name, *family]["\n".join(entry.desc)].append(name)
    assert texts
    for (entry, *_), versions in texts.items():
        alike = "RNN|LSTM|GRU" if entry in PER_LIBRARY else r"RNN|LSTM|GRU|panel\."
        tasks = {re.sub(alike, "", n) for ns in versions.values() for n in ns}
        differs = entry in PER_TASK | PER_LIBRARY
        assert len(versions) <= (len(tasks) if differs else 1), entry


@pytest.mark.parametrize("name", PUBLIC | METHODS)
def test_numpydoc_finds_no_error(name):
    errors = validate(f"skrnn.{name}")["errors"]
    assert [error for error in errors if error[0] not in NOT_ASKED] == []


@pytest.mark.parametrize("name", METHODS)
def test_methods_document_their_parameters_in_order(name):
    function = METHODS[name]
    documented = [
        each.strip()
        for parameter in FunctionDoc(function)["Parameters"]
        for each in parameter.name.split(",")
    ]
    assert documented == [each for each in defaults(function) if each != "self"]


def test_the_readme_has_exactly_two_commands():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^```sh\n(.*?)\n```$", text, flags=re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    assert commands[0].endswith("python examples/quickstart.py")
    assert commands[1].endswith("pytest")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_a_doctest_or_of_a_kind_that_is_not_run(page):
    text = page.read_text()
    blocks = re.findall(
        r"^ *(`{3,})(\S*).*?\n(.*?)^ *\1$", text, re.DOTALL | re.MULTILINE
    )
    for _, language, block in blocks:
        if language in {"python", "{plot}"}:
            assert ">>> " in block, block
        else:
            assert language in NOT_RUN, language
            assert ">>> " not in block, block


def test_the_reference_has_every_public_name():
    page = (ROOT / "docs" / "api.md").read_text()
    for module in ["", *MODULES, "tuning"]:
        home = import_module(f"skrnn.{module}".rstrip("."))
        part = page.split(f"currentmodule:: {home.__name__}\n")[1]
        part = part.split("currentmodule::")[0]
        for name in home.__all__:
            assert re.search(rf"\b{name}\b", part), name
