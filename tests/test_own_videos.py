"""Videos as people have them: from the folder to the GIF."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import NAMES, SIZE, predictor_config, vqvae_config, world
from videovq.cli import main
from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.video import write_video
from videovq.runs import load_predictor
from videovq.training import predictor, vqvae


@pytest.mark.slow
def test_plain_videos_become_a_world_without_actions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "holidays"
    source.mkdir()
    for i in range(4):
        write_video(source / f"clip {i}.mp4", world(i)[0], 15, "lossless")
    episodes, codes, runs, out = (tmp_path / name for name in ("episodes", "codes", "runs", "out"))
    small = ["--frame_size", str(SIZE), "--workers", "1"]
    assert main(["prep", "--source", str(source), "--out", str(episodes), *small]) == 0
    said = capsys.readouterr().out
    assert "read as videos: no actions were recorded" in said
    assert f"next: videovq train vqvae --store {episodes} --run runs/vqvae" in said
    store = EpisodeStore(episodes)
    assert store.header.action_spec.kind == "none" and store.header.fps == 15
    assert {info.split for info in store.episodes} == {"train", "val", "test"}
    vqvae.train(vqvae_config(store, runs / "vqvae", steps=2))
    pair = ["--vqvae", str(runs / "vqvae"), "--predictor", str(runs / "predictor")]
    assert main(["encode", "--store", str(episodes), *pair[:2], "--out", str(codes)]) == 0
    predictor.train(predictor_config(CodeStore(codes), runs / "predictor", steps=1))
    assert load_predictor(runs / "predictor").action_spec.kind == "none"
    mine = ["rollout", *pair, "--from-video", str(source / "clip 0.mp4"), "--frames", "3", "--out"]
    assert main([*mine, str(out / "r")]) == 0, "it asks for no actions"
    with Image.open(out / "r.gif") as gif:
        assert gif.n_frames == 6 + 3
    capsys.readouterr()
    assert main([*mine, str(out / "other"), "--actions", "forward"]) == 2
    assert "actions: this model was trained on videos without actions; leave it out" in capsys.readouterr().err
    (source / "clip 9.mp4").write_bytes(b"")
    write_video(source / "clip 9.mp4", world(9)[0][:6], 15, "lossless")
    short = [*mine[:-4], str(source / "clip 9.mp4"), *mine[-3:], str(out / "short")]
    assert main(short) == 0, "as long as the context is enough"
    measure = ["evaluate", *pair, "--store", str(episodes), "--out", str(out / "report"), "--frames", "3"]
    assert main(measure) == 0


def test_one_long_video_with_a_table_of_names(tmp_path: Path) -> None:
    source, out = tmp_path / "drive", tmp_path / "out"
    source.mkdir()
    frames, actions = world(0, 200)
    write_video(source / "monday.mp4", frames, 15, "lossless")
    rows = "".join(f"0.5,{NAMES[action]}\n" for action in actions)
    (source / "monday.csv").write_text(f"reward,action\n{rows}")
    words = [
        "prep",
        "--source",
        str(source),
        "--out",
        str(out),
        "--frame_size",
        str(SIZE),
        "--cut_every",
        "60",
        "--workers",
        "1",
    ]
    assert main([*words, "--declare.action_names", f"[{','.join(NAMES)}]"]) == 0
    store = EpisodeStore(out)
    kept = {info.id: (info.split, info.length) for info in store.episodes}
    parts = {"monday/000": ("train", 60), "monday/001": ("train", 60), "monday/002": ("train", 16)}
    assert kept == {**parts, "monday/val/000": ("val", 16), "monday/test/000": ("test", 16)}
    assert store.read(store.find("monday/001")).actions[:, 0].tolist() == actions[60:120]
    assert store.read(store.find("monday/test/000")).actions[:, 0].tolist() == actions[184:]
