from pathlib import Path

import pytest

from videovq import packages


def test_an_extra_is_installed_from_the_checkout_or_else_by_the_package_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert packages.install("hdf5") == "run: pip install '.[hdf5]'"
    monkeypatch.setattr(packages, "PACKAGE", tmp_path)  # as in a wheel, which keeps its configs within the package
    monkeypatch.setattr(packages, "CONFIGS", tmp_path / "configs")
    assert packages.install("hdf5") == "run: pip install 'videovq[hdf5]'"


def test_every_missing_package_is_named() -> None:
    packages.require(("torch",), "play", "play")
    with pytest.raises(ValueError, match="^play: needs nowhere1, nowhere2; run: pip install"):
        packages.require(("nowhere1", "torch", "nowhere2"), "play", "play")
