"""What ships with videovq is found by name, wherever it was installed."""

from __future__ import annotations

import runpy
from pathlib import Path

from videovq import shipped

ROOT = Path(__file__).parents[1]


def test_every_yaml_has_a_name_and_goes_into_the_wheel() -> None:
    files = sorted((ROOT / "configs").rglob("*.yaml"))
    assert sorted(shipped.shipped_configs().values()) == files
    assert {"train_vqvae", "debug/train_vqvae"} < shipped.shipped_configs().keys()
    assert '[tool.hatch.build.targets.wheel.force-include]\nconfigs = "videovq/configs"' in (
        ROOT / "pyproject.toml"
    ).read_text(encoding="utf-8")


def test_a_package_that_was_installed_has_them_within(tmp_path: Path) -> None:
    for folder in (tmp_path / "configs", tmp_path / "videovq" / "configs"):
        folder.mkdir(parents=True)
        (folder / f"{folder.parent.name}.yaml").touch()
    module = tmp_path / "videovq" / "shipped.py"
    module.write_bytes(Path(shipped.__file__).read_bytes())
    assert list(runpy.run_path(str(module))["shipped_configs"]()) == ["videovq"]
