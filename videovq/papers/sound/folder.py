"""Reading and writing sound: wav files and the audio tracks of videos."""

from __future__ import annotations

import hashlib
import wave as wav
from pathlib import Path

import av
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from videovq.data.listing import files_below, refuse_pointers
from videovq.data.video import address, reason
from videovq.errors import UserError
from videovq.papers.sound.waves import to_levels
from videovq.progress import progress
from videovq.storage import atomic

ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".mkv", ".webm", ".mov", ".avi")
BYTES = ("utf-8", "surrogateescape")  # a file's name may be no UTF-8
SILENT = 1e-3  # largest value of a recording that nobody would hear, of 1


def read_sound(path: str | Path, rate: int) -> Float[Tensor, "t"]:
    """The sound of a file, or of a video's first audio track, as one channel of -1..1.

    Args:
        rate: samples a second to resample to.

    Raises:
        UserError: the file is missing, cannot be decoded, has no audio track, or is silent.
    """
    parts: list[Tensor] = []
    try:
        with av.open(address(path)) as container:
            if not container.streams.audio:
                raise UserError(f"{path}: has no audio track; take it out of the folder")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            for frame in container.decode(audio=0):
                parts += [torch.from_numpy(part.to_ndarray()[0]) for part in resampler.resample(frame)]
            parts += [torch.from_numpy(part.to_ndarray()[0]) for part in resampler.resample(None)]
    except (av.FFmpegError, OSError) as error:
        refuse_pointers([Path(path)])
        raise UserError(f"{path}: cannot be decoded ({reason(error)})") from None
    sound = torch.cat(parts) if parts else torch.zeros(0)
    if not len(sound) or float(sound.abs().max()) < SILENT:
        raise UserError(f"{path}: is silent; take it out of the folder")
    return sound.clamp(-1, 1)


def write_wav(path: str | Path, sound: Float[Tensor, "t"], rate: int) -> None:
    """Write -1..1 (clipped) as a wav file of 16 bits and one channel, whole or not at all."""
    path = Path(path)
    samples = sound.mul(32768).round().clamp(-32768, 32767).to(torch.int16)
    with atomic(path) as partial, wav.open(str(partial), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.numpy().astype("<i2").tobytes())


class SoundFolder:
    """The sound and video files of a folder and its subfolders, split by file.

    A twentieth of the files, at least one, goes to ``val`` and as many to ``test``, chosen by a hash of their names.

    Attributes:
        files: the files of each split, and of ``all``.
        fingerprint: sha256 of their names: folders of the same names are split alike.

    Raises:
        UserError: there is no such folder, or it holds no such files.
    """

    def __init__(self, folder: str | Path) -> None:
        root = Path(folder)
        if not root.is_dir():
            raise UserError(f"{root}: no such folder")
        names = sorted(p.relative_to(root).as_posix() for p in files_below(root) if p.suffix.lower() in ENDINGS)
        if not names:
            raise UserError(f"{root}: holds no sound or video files ({' '.join(ENDINGS)})")
        held = max(1, len(names) // 20)
        mixed = sorted(names, key=lambda name: hashlib.sha256(name.encode(*BYTES)).hexdigest())
        chosen = {"val": mixed[:held], "test": mixed[held : 2 * held], "train": mixed[2 * held :], "all": names}
        self.root = root
        self.files = {split: [root / name for name in sorted(some)] for split, some in chosen.items()}
        self.fingerprint = hashlib.sha256("\n".join(names).encode(*BYTES)).hexdigest()

    def levels(self, split: str, rate: int) -> list[UInt8[Tensor, "t"]]:
        """Every recording of a split as mu-law levels, which is how all of them are held in memory.

        Raises:
            UserError: there are too few files to split, or one cannot be used; see :func:`read_sound`.
        """
        if not self.files[split]:
            raise UserError(
                f"{self.root}: holds {len(self.files['all'])} sound or video file(s); training, validation and test"
                " need one each: add some, or cut a long one"
            )
        found = []
        with progress(len(self.files[split]), f"read {split}", "file") as bar:
            for path in self.files[split]:
                found.append(to_levels(read_sound(path, rate)).to(torch.uint8))
                bar.update(1)
        return found
