"""``videovq.load``: the whole package in a few calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import videovq
from tests.conftest import world, write_episode
from videovq.data.video import read_video
from videovq.model import Prediction
from videovq.rollout.engine import generate
from videovq.runs import load_predictor, load_vqvae
from videovq.types import RolloutRequest, Sampling


@pytest.fixture(scope="module")
def model(vqvae_run: Path, predictor_run: Path) -> videovq.Model:
    return videovq.load(vqvae=str(vqvae_run), predictor=str(predictor_run), device="cpu")


def test_encode_and_decode(model: videovq.Model, vqvae_run: Path) -> None:
    frames, _ = world(8)
    codes = model.encode(frames)
    assert codes.shape == (40, 6, 6) and codes.dtype == torch.int64
    again = model.decode(codes.numpy())
    assert again.shape == frames.shape and again.dtype == torch.uint8
    assert torch.equal(model.encode(torch.from_numpy(frames)), codes)
    error = (again.float() - torch.from_numpy(frames).float()).pow(2).mean()
    assert error < 0.5 * torch.from_numpy(frames).float().var()


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_views_that_run_backwards_are_what_their_copies_are(model: videovq.Model, axis: int) -> None:
    frames = np.flip(world(8)[0][:3], axis)
    assert frames.strides[axis] < 0
    codes = model.encode(frames)
    assert torch.equal(codes, model.encode(frames.copy()))
    backwards = codes.numpy()[::-1]
    assert torch.equal(model.decode(backwards), model.decode(backwards.copy()))
    found = model.predict(frames, np.array([0, 1, 2, 1])[::-1], temperature=0.0)
    assert torch.equal(found.codes, model.predict(frames.copy(), [1, 2, 1, 0], temperature=0.0).codes)


def test_other_arrays_that_numpy_makes(model: videovq.Model, recwarn: pytest.WarningsRecorder) -> None:
    frames, _ = world(8)
    still = np.broadcast_to(frames[0], (3, *frames.shape[1:]))
    codes = model.encode(still)
    assert torch.equal(codes, model.encode(still.copy()))
    assert torch.equal(model.decode(codes.numpy().astype(">i4")), model.decode(codes))
    assert not [one for one in recwarn if "writable" in str(one.message)]
    for wrong in (codes.numpy() + 32, codes.numpy() - 32, codes.numpy() / 1.0, codes.numpy()[0]):
        with pytest.raises(ValueError, match="of 0 to 31 is needed"):
            model.decode(wrong)


def test_predict_is_a_rollout(model: videovq.Model, vqvae_run: Path, predictor_run: Path, tmp_path: Path) -> None:
    frames, actions = world(8)
    found = model.predict(frames[:6], actions[:9], temperature=0.7, seed=3, samples=2)
    request = RolloutRequest(
        torch.from_numpy(frames[:6]),
        torch.tensor(actions[:5])[:, None],
        torch.tensor(actions[5:9])[:, None],
        2,
        Sampling(0.7),
        3,
    )
    wanted = generate(load_vqvae(vqvae_run).network, load_predictor(predictor_run).network, request)
    assert torch.equal(found.codes, wanted.codes)
    assert found.frames is not None and found.frames.shape == (2, 4, 24, 24, 3)
    held = model.predict(frames[:2], ["stay", "left"], 5)
    assert held.names == ("left",) * 5
    assert torch.equal(held.codes, model.predict(frames[:2], [0, 1, 1, 1, 1, 1]).codes)
    html = held._repr_html_()
    assert html.startswith('<img src="data:image/gif;base64,') and len(html) > 1000


@pytest.fixture(scope="module")
def prediction(model: videovq.Model) -> Prediction:
    return model.predict(world(8)[0][:2], ["stay", "left"], 3, samples=2)


def test_a_prediction_is_saved_as_the_ending_says_where_there_was_no_folder(
    prediction: Prediction, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    for ending in ("gif", "mp4", "webm", "png", "npz"):
        prediction.save(folder / f"p.{ending}")
    assert (folder / "p.gif").read_bytes()[:3] == b"GIF"
    assert len(read_video(folder / "p.mp4")) == 5
    assert (folder / "p.webm").read_bytes()[:4] == b"\x1aE\xdf\xa3"
    assert (folder / "p.png").read_bytes()[1:4] == b"PNG"
    saved = np.load(folder / "p.npz")
    assert np.array_equal(saved["codes"], prediction.codes) and np.array_equal(saved["frames"], prediction.frames)


def test_a_prediction_is_not_saved_where_it_cannot_be(prediction: Prediction, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.gif").mkdir()
    for name, why in (
        ("p.avi", "choose from .gif, .mp4, .webm, .png, .npz"),
        ("p", "choose from .gif"),
        ("file/p.gif", "is no folder"),
        ("folder.gif", "is a folder"),
    ):
        with pytest.raises(ValueError, match=why):
            prediction.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.gif"]


def test_models_and_predictions_describe_themselves_in_a_line(model: videovq.Model, prediction: Prediction) -> None:
    assert repr(model) == "<Model: 32 codes of 24x24 frames; actions: stay, left, right; 15 frames a second; on cpu>"
    assert repr(prediction) == "<Prediction: 2 x 3 frames of 24x24 after 2 of context>"
    alone = repr(videovq.Model(model.vqvae, None, "cpu"))
    assert alone == "<Model: 32 codes of 24x24 frames; no predictor; on cpu>"


def test_a_users_video_comes_in_the_models_size(model: videovq.Model, tmp_path: Path) -> None:
    frames, actions = world(3)
    write_episode(tmp_path, "large", frames.repeat(2, axis=1).repeat(2, axis=2), actions)
    shown, known = model.clip(tmp_path / "large.mp4")
    assert torch.equal(shown, torch.from_numpy(frames)) and known == actions
    with pytest.raises(ValueError, match="no example ships"):
        model.clip()


def test_what_does_not_fit_is_refused(model: videovq.Model, vqvae_run: Path) -> None:
    frames, _ = world(8)
    for given, actions, n, named in (
        (frames[:6], [0] * 5, None, "5 for 6 frames; 5 between the frames and at least 1 after"),
        (frames[:6], [0] * 8, 4, "and 4 after"),
        (frames[:6], ["up"] * 6, None, "stay, left, right"),
        (frames[:6, :20], [0] * 6, None, "RGB uint8 (time, 24, 24, 3)"),
        (frames[:6].astype(np.float32), [0] * 6, None, "torch.float32"),
        (frames[:0], [0], None, "frames"),
    ):
        with pytest.raises(ValueError) as caught:
            model.predict(given, actions, n)
        assert named in str(caught.value)
    alone = videovq.load(vqvae=str(vqvae_run))
    assert alone.predictor is None and alone.encode(frames[:1]).shape == (1, 6, 6)
    with pytest.raises(ValueError, match="a VQ-VAE alone"):
        alone.predict(frames[:2], [0, 0])
    for wrong in ({}, {"name": "dmlab", "vqvae": str(vqvae_run)}):
        with pytest.raises(ValueError, match="load: give the name"):
            videovq.load(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no vqvae called 'nobody'"):
        videovq.load("nobody")


def test_what_ships_loads_by_name() -> None:
    shipped = videovq.load("dmlab")
    codes = shipped.encode(np.zeros((1, 84, 84, 3), np.uint8))
    assert codes.shape == (1, 21, 21) and shipped.decode(codes).shape == (1, 84, 84, 3)


def test_importing_videovq_imports_no_torch() -> None:
    completed = "assert {'load', 'Model'} < {*dir(videovq)}, 'Tab completes them'"
    light = "assert 'torch' not in sys.modules"
    code = f"import sys, videovq; {completed}; {light}; videovq.load; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        videovq.nothing  # noqa: B018
