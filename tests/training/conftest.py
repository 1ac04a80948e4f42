"""A training that tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.line import config_of, fit


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(config_of(folder))
    return folder
