"""How pytest runs the code on these pages."""

from collections.abc import Iterator

import pytest

# pages that take longer than ten seconds
SLOW = {"classifying", "forecasting", "inside", "panels", "stocks", "tuning"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, as tests of that length are marked."""
    for item in items:
        if item.path.parent.name == "docs" and item.path.stem in SLOW:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Pages leave their pictures open, as notebooks do."""
    yield
    from matplotlib import pyplot

    pyplot.close("all")
