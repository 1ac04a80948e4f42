"""Trainings with ``compile``, in a process of their own: dynamo does not look through what checks shapes in tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, predictor_config, vqvae_config
from tests.small import SMALL_PIXELCNN
from videovq.config import LossConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.parsing import to_yaml

TRAIN = """
import json, sys
import torch
from torch import nn
from torch._dynamo.utils import counters

from videovq.cli import main

into = nn.Module.compile
nn.Module.compile = lambda network: into(network, backend="eager")  # which follows the code, and generates none
for command, file in zip(sys.argv[1::2], sys.argv[2::2]):
    torch._dynamo.reset()
    counters.clear()
    assert not main(["train", command, "--config", file])
    found = {name: sum(counters[name].values()) for name in ("graph_break", "recompiles", "unimplemented")}
    print(json.dumps({**found, "graphs": counters["stats"]["unique_graphs"]}))
"""


def test_trainings_are_compiled_once_without_a_break(
    code_store: CodeStore, episode_store: EpisodeStore, tmp_path: Path
) -> None:
    words = []
    every: dict[str, Any] = {
        "predictor": replace(predictor_config(code_store, tmp_path / "predictor"), model=SMALL_PIXELCNN),
        "vqvae": vqvae_config(episode_store, tmp_path / "vqvae"),
    }
    for command, config in every.items():
        settings = {"steps": 4, "validate_every": 3, "checkpoint_every": 4, "batch_size": 3, "compile": True}
        file = tmp_path / f"{command}.yaml"
        file.write_text(to_yaml(replace(config, training=replace(config.training, **settings))))
        words += [command, str(file)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    predictor, vqvae = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    nothing = {"graph_break": 0, "recompiles": 0, "unimplemented": 0}
    assert predictor == {**nothing, "graphs": 1}
    assert vqvae == {**nothing, "graphs": 2}, "encoder and decoder"


def test_a_discriminator_and_compiled_networks_do_not_go_together(episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path)
    with pytest.raises(ValueError, match=r"training\.compile: does not go with loss\.adversarial"):
        replace(config, loss=LossConfig(adversarial=0.5), training=replace(config.training, compile=True))
