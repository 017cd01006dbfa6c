"""What is not installed with onnxgen itself."""

from __future__ import annotations

import importlib.util

from onnxgen.exits import BadInputError


def check_torch(what: str = "verifying", extra: str = "verify") -> None:
    """See that torch is installed.

    Raises:
        BadInputError: It is not; says what to install.
    """
    if importlib.util.find_spec("torch") is None:
        raise BadInputError(f"{what} needs torch: pip install 'onnxgen[{extra}]'")
