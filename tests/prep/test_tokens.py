from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import predictor_config
from tests.small import SMALL_PIXELCNN
from videovq.cli import main
from videovq.data.store import CodeStore
from videovq.runs import is_finished
from videovq.training import predictor

LENGTHS = (9, 12, 7, 10)


def write_dump(folder: Path, side: int, size: int) -> Path:
    rng, count = np.random.default_rng(0), sum(LENGTHS)
    (folder / "actions").mkdir(parents=True)
    facts = {"num_images": count, "s": side, "hz": 30, "vocab_size": size, "token_dtype": "uint32"}
    (folder / "metadata.json").write_text(json.dumps(facts))
    rng.integers(0, size, (count, side, side), dtype=np.uint32).tofile(folder / "video.bin")
    np.repeat([3, 5, 6, 9], LENGTHS).astype(np.int32).tofile(folder / "segment_ids.bin")
    rng.normal(2, 3, (count, 2)).astype(np.float32).tofile(folder / "actions" / "driving_command.bin")
    return folder


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return write_dump(tmp_path / "train_v1.1", 16, 1024)


def test_a_dump_becomes_episodes_of_codes(dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "import",
        "tokens",
        "--source",
        str(dump),
        "--actions",
        "driving_command",
        "--out",
        str(tmp_path / "codes"),
    ]
    assert main(words) == 0
    assert "4 episodes, 38 frames as 16x16 codes of 1024" in capsys.readouterr().out
    store = CodeStore(tmp_path / "codes")
    assert {info.split for info in store.episodes} == {"train", "val", "test"}
    codes = np.fromfile(dump / "video.bin", np.uint32).reshape(-1, 16, 16)
    actions = np.fromfile(dump / "actions" / "driving_command.bin", np.float32).reshape(-1, 2)
    assert [store.find(f"train_v1.1/{i:06d}").length for i in range(4)] == list(LENGTHS)
    second = store.read(store.find("train_v1.1/000001"))
    assert np.array_equal(second.codes.numpy(), codes[9:21])
    assert np.array_equal(second.actions.numpy(), actions[9:21])
    assert store.header.action_spec.mean == pytest.approx(actions.mean(axis=0), abs=1e-4)
    assert store.header.fps == 30
    vectors = store.codebook
    assert vectors.shape == (1024, 10) and vectors.unique().tolist() == [-1, 1]
    assert len({tuple(row) for row in vectors.tolist()}) == 1024
    assert main(words) == 0, "once more changes nothing"
    assert torch.equal(CodeStore(tmp_path / "codes").read(store.find("train_v1.1/000001")).codes, second.codes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "video.bin").write_bytes(b"\0" * 100), "video.bin: 100 bytes are not 38 rows"),
        (lambda folder: (folder / "segment_ids.bin").unlink(), "segment_ids.bin: no such file"),
        (lambda folder: (folder / "metadata.json").write_text("{}"), "needs whole numbers"),
        (lambda folder: np.full((38, 16, 16), 5000, np.uint32).tofile(folder / "video.bin"), "code 5000 of 1024"),
    ],
)
def test_broken_dumps_are_refused(
    dump: Path, tmp_path: Path, change: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(dump)  # type: ignore[operator]
    assert main(["import", "tokens", "--source", str(dump), "--actions", "", "--out", str(tmp_path / "codes")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "codes" / "store.json").exists()


def test_a_predictor_trains_on_an_imported_dump_of_262144_codes(tmp_path: Path) -> None:
    source, codes, run = write_dump(tmp_path / "dump", 4, 2**18), tmp_path / "codes", tmp_path / "run"
    assert main(["import", "tokens", "--source", str(source), "--actions", "", "--out", str(codes)]) == 0
    store = CodeStore(codes)
    settings = predictor_config(store, run, steps=2)
    training = replace(settings.training, batch_size=1, validate_every=2, checkpoint_every=2)
    model = replace(SMALL_PIXELCNN, width=4, embedding=4)
    predictor.train(replace(settings, model=model, training=training, window=4, targets=1, context_noise=0.5))
    assert is_finished(run)
