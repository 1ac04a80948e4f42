"""CONTRIBUTING.md says how to add a network: a file and a line, as it is done here in a copy of the project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project_copy import PYTEST, ROOT, copy_into, python

pytestmark = pytest.mark.slow

USED = """
import contextlib, io, sys
from pathlib import Path
from videovq import config
from videovq.cli import COMPLETE, main
from videovq.parsing import parse, read_config, to_yaml

def printed(words):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(words.split()) == 0
    return out.getvalue()

assert "SignsConfig" in printed("train vqvae --help")
assert "LastFrameConfig" in printed("train predictor --help")
assert printed(COMPLETE + " train vqvae --model.quantizer Si") == "SignsConfig\\n"
assert "torch" not in sys.modules, "names are known without the networks"

words = ["--model.quantizer", "SignsConfig", "--model.quantizer.scale", "2"]
chosen = parse(config.TrainVQVAEConfig, words)
assert chosen.model.quantizer == config.SignsConfig(scale=2.0)
Path("chosen.yaml").write_text(to_yaml(chosen))
"""
READ = """
import sys
from pathlib import Path
from videovq import config
from videovq.cli import main
from videovq.parsing import read_config

assert "class_path: videovq.config.SignsConfig" in Path("chosen.yaml").read_text()
assert "torch" not in sys.modules
assert read_config(config.TrainVQVAEConfig, "chosen.yaml").model.quantizer == config.SignsConfig(scale=2.0)
main("train vqvae --model.quantizer SignsConfig --help".split())
main("train predictor --model LastFrameConfig --help".split())
assert main("train vqvae --model.quantizer.scale 1".split()) == 2
"""


def test_a_quantizer_and_a_predictor_are_a_file_and_a_line_each(tmp_path: Path) -> None:
    copy_into(tmp_path)
    recipes = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    quantizer, its_line, predictor, line = re.findall(r"```python\n(.*?)```", recipes, flags=re.DOTALL)
    registry = tmp_path / "videovq" / "config" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    for table, added in (("QUANTIZERS", its_line), ("PREDICTORS", line)):
        assert added.count("\n") == 1
        text = re.sub(rf"^{table}: .*?(?=^}})", lambda found: found[0] + added, text, flags=re.DOTALL | re.MULTILINE)  # noqa: B023
    registry.write_text(text, encoding="utf-8")
    for name, source in (("quantizers/signs", quantizer), ("predictors/last_frame", predictor)):
        (tmp_path / "videovq" / "models" / f"{name}.py").write_text(source, encoding="utf-8")
    python(tmp_path, "-c", USED)
    shown = python(tmp_path, "-c", READ)
    assert "--model.quantizer.scale X" in shown and "What a number becomes" in shown
    assert "LookupContextConfig" not in shown and "Gated layers. (default: 4)" in shown
    contracts = ["tests/models/quantizers/test_contract.py", "tests/models/predictors/test_contract.py"]
    tested = python(
        tmp_path, *PYTEST, "--noconftest", *contracts, "-m", "not slow", "-k", "SignsConfig or LastFrameConfig"
    )
    assert int(re.findall(r"(\d+) passed", tested)[0]) > 20
