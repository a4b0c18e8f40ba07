"""What all tests share."""

import os

# Read when scipy is first imported; without it scikit-learn skips its array API checks.
os.environ["SCIPY_ARRAY_API"] = "1"
