"""What a release says of itself, in several places, is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import skrnn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CITATION = yaml.safe_load((ROOT / "docs" / "CITATION.cff").read_text())


def test_the_version_is_taken_from_the_package():
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "skrnn/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(a|b|rc|dev)\d+)?", skrnn.__version__)


def test_the_citation_has_what_its_format_asks_for():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION.keys() >= {"message", "title", "authors"}
    names = [author["name"] for author in CITATION["authors"]]
    assert names == [author["name"] for author in PROJECT["project"]["authors"]]
    assert CITATION["license"] == PROJECT["project"]["license"]


def test_the_citation_names_this_version():
    assert CITATION["version"] == skrnn.__version__
    page = (ROOT / "docs" / "citing.md").read_text()
    assert re.findall(r"version = \{(.+)\}", page) == [skrnn.__version__]


@pytest.mark.parametrize("name", PROJECT["project"]["license-files"])
def test_the_license_is_there(name):
    assert "Redistribution and use" in (ROOT / name).read_text()


def test_the_first_lines_of_the_page_of_installing_name_the_python_we_need():
    needed = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"Python {needed} or later" in (ROOT / "docs" / "install.md").read_text()


def test_the_page_of_installing_names_the_torch_of_the_constraints():
    constraints = (ROOT / "constraints.txt").read_text()
    (version,) = re.findall(r"^torch==(\S+)$", constraints, flags=re.MULTILINE)
    page = (ROOT / "docs" / "install.md").read_text()
    assert set(re.findall(r"torch==(\S+)", page)) == {version}


def test_pages_do_not_fetch_skrnn_from_an_index_that_does_not_have_it():
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples").iterdir()]
    for page in [ROOT / "README.md", *(page for page in pages if page.is_file())]:
        assert not re.search(r'pip install "?skrnn', page.read_text()), page


def test_the_page_of_installing_names_all_extras():
    page = (ROOT / "docs" / "install.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert rows == set(PROJECT["project"]["optional-dependencies"])


def test_the_page_of_installing_names_the_versions_we_need():
    page = (ROOT / "docs" / "install.md").read_text()
    rows = set(re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", page, flags=re.MULTILINE))
    needed = {tuple(each.split(">=")) for each in PROJECT["project"]["dependencies"]}
    assert rows == needed
