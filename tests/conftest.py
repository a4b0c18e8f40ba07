"""What all tests share."""

import os

from hypothesis import settings

# Read when scipy is first imported; without it scikit-learn skips its array API checks.
os.environ["SCIPY_ARRAY_API"] = "1"

# The same examples in every run, so that a red run is about the change it tests.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
