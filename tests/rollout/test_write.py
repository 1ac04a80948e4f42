from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from tests.conftest import world, write_episode
from videovq.config import DeclareActionsConfig, RolloutConfig
from videovq.data import video
from videovq.data.clip import read_clip
from videovq.data.store import EpisodeStore
from videovq.data.video import read_video, write_video
from videovq.rollout.render import RED, animation, direction
from videovq.rollout.write import rollout, write_rollout
from videovq.types import ActionSpec, Rollout, RolloutRequest


@pytest.fixture
def config(vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore, tmp_path: Path) -> RolloutConfig:
    return RolloutConfig(
        predictor=str(predictor_run),
        vqvae=str(vqvae_run),
        context=str(episode_store),
        frames=5,
        out=str(tmp_path / "r"),
    )


def red(picture: np.ndarray) -> int:
    return int((picture == RED).all(-1).sum())


def test_products_of_a_recorded_rollout(
    config: RolloutConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout(config)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.gif", "r.mp4", "r.npz", "r.png"]
    gif = iio.imread(tmp_path / "r.gif")
    assert len(gif) == 11
    assert len(read_video(tmp_path / "r.mp4")) == 11
    strip = iio.imread(tmp_path / "r.png")
    assert red(strip[: strip.shape[0] // 2]) == 0, "the truth has no mark"
    assert red(strip) > 5 * 2 * 4 * 40, "predicted frames wear a border"
    data = np.load(tmp_path / "r.npz")
    frames, actions = world(8)
    assert data["codes"].shape == (1, 5, 6, 6)
    assert data["frames"].shape == (1, 5, 24, 24, 3)
    assert data["actions"][:, 0].tolist() == actions[5:10]
    assert data["context_actions"][:, 0].tolist() == actions[:5]
    assert "copy last" in capsys.readouterr().out
    truth = strip[16 : 16 + 48, 70 : 70 + 11 * 52].reshape(48, 11, 52, 3)[:, :, :48].transpose(1, 0, 2, 3)
    assert np.array_equal(truth, frames[:11].repeat(2, axis=1).repeat(2, axis=2))


def test_codes_of_a_large_codebook_are_in_the_npz_as_they_are(tmp_path: Path) -> None:
    context, codes = torch.tensor([[[65535]]]), torch.tensor([[[[0]], [[40000]]]])
    request = RolloutRequest(
        torch.zeros(1, 4, 4, 3, dtype=torch.uint8), torch.zeros(0, 1).long(), torch.zeros(2, 1).long()
    )
    result = Rollout(request, context, codes, None)
    write_rollout(result, None, [""], ["", ""], 10.0, 2**16, RolloutConfig(), tmp_path / "r")
    data = np.load(tmp_path / "r.npz")
    assert np.array_equal(data["codes"], codes.numpy())
    assert np.array_equal(data["context_codes"], context.numpy())


def test_codes_only(config: RolloutConfig, tmp_path: Path) -> None:
    rollout(replace(config, decode=False))
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]
    assert "frames" not in np.load(tmp_path / "r.npz")


def test_actions_by_name_number_list_and_file(config: RolloutConfig, tmp_path: Path) -> None:
    def codes(actions: str) -> np.ndarray:
        return rollout(replace(config, actions=actions)).codes.numpy()

    (tmp_path / "a.json").write_text(json.dumps([2, "right", 2, 2, 2]))
    held = codes("right")
    assert np.array_equal(held, codes("2"))
    assert np.array_equal(held, codes("right,right,2,2,2"))
    assert np.array_equal(held, codes(str(tmp_path / "a.json")))
    assert not np.array_equal(held, codes("left"))


def test_a_users_video(config: RolloutConfig, tmp_path: Path) -> None:
    frames, actions = world(3)
    source = tmp_path / "mine"
    source.mkdir()
    write_episode(source, "clip", frames, actions)
    from_store = rollout(replace(config, episode="episode_000003")).codes
    config = replace(config, context=str(source / "clip.mp4"))
    assert np.array_equal(rollout(config).codes, from_store)
    with pytest.raises(ValueError, match="from_video: takes the place of context"):
        rollout(replace(config, from_video=config.context))
    config = replace(config, from_video=config.context, context="")
    assert np.array_equal(rollout(config).codes, from_store)
    with pytest.raises(ValueError, match="nowhere.mp4"):
        rollout(replace(config, from_video="nowhere.mp4"))
    (source / "clip.json").unlink()
    with pytest.raises(ValueError, match="context_actions"):
        rollout(config)
    config = replace(config, context_actions=",".join(map(str, actions[:5])))
    with pytest.raises(ValueError, match="name the actions"):
        rollout(config)
    named = replace(config, actions=",".join(map(str, actions[5:10])))
    assert np.array_equal(rollout(named).codes, from_store)


def test_of_a_users_video_only_what_is_used_is_decoded(
    config: RolloutConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    write_episode(source, "clip", *world(3))
    decoded, picture = [], video._picture
    monkeypatch.setattr(video, "_picture", lambda *given: decoded.append(1) or picture(*given))
    config = replace(config, context="", from_video=str(source / "clip.mp4"), start=2)
    rollout(config)
    assert len(decoded) == 2 + 6 + 5
    rollout(replace(config, actions="left"))
    assert len(decoded) == 13 + 2 + 6, "nothing to compare with is wanted"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"actions": "up"}, "stay, left, right"),
        ({"actions": "left,right"}, "2 actions, but 5"),
        ({"actions": "missing.json"}, "missing.json"),
        ({"episode": "nobody"}, "nobody"),
        ({"start": 38}, "start"),
        ({"start": 33}, "frames"),
        ({"samples": 0}, "samples"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"guidance": 2.0}, "action_dropout"),
        ({"device": "nowhere"}, "device"),
        ({"frames": 0}, "frames"),
        ({"speed": 0.0}, "speed"),
        ({"loops": -1}, "loops"),
    ],
)
def test_what_cannot_work_is_refused_and_writes_nothing(
    changes: dict, named: str, config: RolloutConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=named):
        rollout(replace(config, **changes))
    assert list(tmp_path.iterdir()) == []


def test_each_action_from_one_context(config: RolloutConfig, tmp_path: Path) -> None:
    result = rollout(replace(config, actions="each", webm=True))
    for i, name in enumerate(("stay", "left", "right")):
        alone = rollout(replace(config, actions=name, out=str(tmp_path / name)))
        assert torch.equal(result.codes[i], alone.codes[0])
    assert np.load(tmp_path / "r.npz")["titles"].tolist() == ["stay", "left", "right"]
    assert len(read_video(tmp_path / "r.webm")) == 11
    with pytest.raises(ValueError, match="samples 1"):
        rollout(replace(config, actions="each", samples=2))


def test_gif_palette_speed_and_loops(config: RolloutConfig, tmp_path: Path) -> None:
    def gif(**changes: object) -> Image.Image:
        rollout(replace(config, **changes))  # type: ignore[arg-type]
        return Image.open(tmp_path / "r.gif")

    slow, fast, once = gif(), gif(speed=2.0, loops=3), gif(loops=1)
    assert (slow.info["duration"], fast.info["duration"]) == (100, 50)
    assert slow.info["loop"] == 0 and fast.info["loop"] == 2 and "loop" not in once.info
    still = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(slow)])[:6, 16:88, :72]
    truth = np.load(tmp_path / "r.npz")
    assert truth["codes"].shape[1] == 5
    colours = {tuple(pixel) for pixel in still.reshape(-1, 3)}
    assert len(colours) <= 40, "one palette for all frames: the world has six colours, and captions some greys"


@pytest.mark.parametrize(
    ("action", "arrow"),
    [
        ("forward", (0, -1)),
        ("look_left", (-1, 0)),
        ("forward+look_right", (1, -1)),
        ("MOVE", None),
        ("backward", (0, 1)),
        ("noop", None),
    ],
)
def test_arrows_follow_the_words_of_an_action(action: str, arrow: tuple[int, int] | None) -> None:
    assert direction(action) == arrow


def test_the_arrow_points_where_the_action_goes() -> None:
    context, drawn = np.zeros((1, 24, 24, 3), np.uint8), np.zeros((1, 1, 24, 24, 3), np.uint8)
    shown = {}
    for action in ("left", "right", "stay"):
        request = RolloutRequest(torch.from_numpy(context), torch.zeros(0, 1).long(), torch.zeros(1, 1).long())
        codes = torch.zeros(1, 1, 6, 6, dtype=torch.int64)
        result = Rollout(request, codes[0], codes, torch.from_numpy(drawn))
        shown[action] = animation(result, None, [action], ["predicted"], 8)[-1][-16:]
    assert red(shown["stay"]) == 0
    columns = {a: np.argwhere((shown[a] == RED).all(-1))[:, 1] for a in ("left", "right")}
    middle = (columns["left"].min() + columns["right"].max()) / 2
    assert columns["left"].mean() < middle < columns["right"].mean()


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".npy"])
def test_actions_beside_a_video_are_read_as_prep_reads_them(ending: str, config: RolloutConfig, tmp_path: Path) -> None:
    frames, actions = world(8)
    source = tmp_path / "mine"
    source.mkdir()
    write_video(source / "clip.mp4", frames, 15, "lossless")
    names = [("stay", "left", "right")[action] for action in actions]
    if ending == ".csv":
        (source / "clip.csv").write_text("reward,action\n" + "".join(f"0,{name}\n" for name in names))
    elif ending == ".jsonl":
        (source / "clip.jsonl").write_text("".join(f'{{"action": "{name}"}}\n' for name in names))
    else:
        np.save(source / "clip.npy", np.array(actions))
    found = rollout(replace(config, context="", from_video=str(source / "clip.mp4"), decode=False))
    assert found.request.context_actions[:, 0].tolist() == actions[:5]
    assert found.request.actions[:, 0].tolist() == actions[5:10]


@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_actions_beside_a_video_are_declared_as_for_prep(
    ending: str, config: RolloutConfig, recordings: Path, tmp_path: Path
) -> None:
    shutil.copy(recordings / "episode_000008.mp4", tmp_path / "clip.mp4")
    taken = json.loads((recordings / "episode_000008.json").read_text())["actions"]
    led = [taken[0], *taken[:-1]]  # beside the frame that each led to
    rows = "".join(f"0,{number}\n" for number in led)
    said = f"action,keys\n{rows}" if ending == ".csv" else json.dumps({"actions": [0] * len(led), "keys": led})
    (tmp_path / f"clip{ending}").write_text(said)
    plain = replace(config, context="", from_video=str(tmp_path / "clip.mp4"), decode=False)
    declared = replace(plain, declare=DeclareActionsConfig(actions_at="before", actions_key="keys"))
    request = rollout(declared).request
    assert [*request.context_actions.flatten().tolist(), *request.actions.flatten().tolist()] == taken[:10]
    with pytest.raises(ValueError, match=r"clip\.(csv|json): (no column|needs a list) .nowhere"):
        rollout(replace(plain, declare=DeclareActionsConfig(actions_key="nowhere")))


def test_what_is_declared_of_actions_that_are_not_there_is_refused(
    config: RolloutConfig, recordings: Path, tmp_path: Path
) -> None:
    shutil.copy(recordings / "episode_000008.mp4", tmp_path / "clip.mp4")
    declared = DeclareActionsConfig(actions_at="before")
    with pytest.raises(ValueError, match=r"declare.actions_at: has no effect, since .* is no video; leave it out"):
        rollout(replace(config, declare=declared))
    with pytest.raises(ValueError, match=r"declare.actions_at: has no effect, since .*mp4 has no actions beside it"):
        rollout(replace(config, context="", from_video=str(tmp_path / "clip.mp4"), declare=declared))
    with pytest.raises(ValueError, match="trained on videos without actions"):
        read_clip(tmp_path / "clip.mp4", (24, 24), ActionSpec("none"), declared=declared)
