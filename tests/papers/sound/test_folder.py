from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from videovq.data.video import write_video
from videovq.papers.sound.data import SymbolData
from videovq.papers.sound.folder import SoundFolder, read_sound, write_wav


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Tensor:
    return 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * rate)) / rate)


def write_film(path: Path, sound: Tensor, rate: int) -> None:
    """A video with a stereo audio track whose right channel is silent."""
    with av.open(str(path), "w") as container:
        pictures, track = container.add_stream("libx264", rate=10), container.add_stream("aac", rate=rate)
        pictures.height = pictures.width = 16
        pictures.pix_fmt = "yuv420p"
        track.layout = "stereo"
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.stack([sound, 0 * sound]), format="fltp", layout="stereo")
        frame.sample_rate = rate
        container.mux(track.encode(frame))
        for stream in (pictures, track):
            container.mux(stream.encode())


def pitch(sound: Tensor, rate: int) -> float:
    return float(torch.fft.rfft(sound).abs().argmax()) * rate / len(sound)


def test_a_wav_file_comes_back(tmp_path: Path) -> None:
    sound = torch.cat([tone(440, 8000), torch.tensor([-1.0, 1.0])])
    write_wav(tmp_path / "a.wav", sound, 8000)
    assert (read_sound(tmp_path / "a.wav", 8000) - sound).abs().max() <= 1 / 32768
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav("10:30 song.wav", tone(440, 8000), 8000)
    assert len(read_sound("10:30 song.wav", 8000)) == 8000


def test_sound_is_resampled_and_a_film_gives_its_audio_track(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(440, 16000), 16000)
    sound = read_sound(tmp_path / "a.wav", 8000)
    assert len(sound) == pytest.approx(8000, abs=20)
    assert pitch(sound, 8000) == pytest.approx(440, abs=2)
    write_film(tmp_path / "a.mp4", tone(600, 44100), 44100)
    sound = read_sound(tmp_path / "a.mp4", 8000)
    assert len(sound) == pytest.approx(8000, abs=600)
    assert pitch(sound, 8000) == pytest.approx(600, abs=5)


def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    write_video(tmp_path / "mute.mp4", np.zeros((4, 16, 16, 3), np.uint8), 10)
    write_wav(tmp_path / "silent.wav", torch.zeros(4000), 8000)
    write_wav(tmp_path / "empty.wav", torch.zeros(0), 8000)
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "away.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    for name, why in [("mute.mp4", "no audio track"), ("silent.wav", "silent"), ("empty.wav", "silent"),
                      ("text.wav", "cannot be decoded"), ("none.wav", "cannot be decoded"),
                      ("away.wav", "is a Git LFS pointer")]:  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}: .*{why}"):
            read_sound(tmp_path / name, 8000)


def test_a_folder_is_split_by_file_and_needs_three(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        SoundFolder(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match="holds no sound"):
        SoundFolder(tmp_path)
    (tmp_path / "below").mkdir()
    for i in range(2):
        write_wav(tmp_path / "below" / f"{i}.WAV", tone(440, 8000), 8000)
    with pytest.raises(ValueError, match="holds 2 sound or video file"):
        SoundFolder(tmp_path).levels("train", 8000)
    for i in range(2, 45):
        write_wav(tmp_path / f"{i}.wav", tone(440, 8000, 0.1), 8000)
    folder = SoundFolder(tmp_path)
    assert [len(folder.files[split]) for split in ("train", "val", "test")] == [41, 2, 2]
    assert sorted(p for split in ("train", "val", "test") for p in folder.files[split]) == sorted(folder.files["all"])
    before = folder.fingerprint
    (tmp_path / "2.wav").unlink()
    assert SoundFolder(tmp_path).fingerprint != before


def test_windows_lie_within_recordings_and_cover_them() -> None:
    sequences = [torch.arange(10), torch.arange(100, 107)]
    data = SymbolData({"train": sequences, "val": sequences}, window=4, batch_size=3, steps=1, seed=0)
    number, make = data._windows("val", 4)
    assert make(torch.arange(number)).symbols[:, 0].tolist() == [0, 4, 100]
    number, make = data._windows("train", 1)
    every = make(torch.arange(number)).symbols
    assert every[:, 0].tolist() == [*range(7), *range(100, 104)]
    assert (every.diff(dim=1) == 1).all()
    with pytest.raises(ValueError, match="window: 8 is longer than the shortest recording of train, of 7"):
        SymbolData({"train": sequences, "val": sequences}, window=8, batch_size=3, steps=1, seed=0)


def test_linked_recordings_are_found_and_hidden_ones_are_not(tmp_path: Path) -> None:
    folder, away = tmp_path / "folder", tmp_path / "away"
    for name in ("folder/a.wav", "folder/._a.wav", "folder/.Trash-1000/a.wav", "away/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(tmp_path / name, tone(440, 8000, 0.1), 8000)
    (folder / "more").symlink_to(away)
    assert SoundFolder(folder).files["all"] == [folder / "a.wav", folder / "more" / "b.wav"]
