"""Decoders of the same codes side by side: PSNR and gradient energy of true codes and of codes of which a part was
swapped, half of it for similar codes and half for any, and how much their pictures change where the true ones do not.

    python benchmarks/decoders.py EPISODE_STORE PICTURE VQVAE_RUN [VQVAE_RUN ...] [--split val]

Twelve frames in a row from the middle of every episode of the split. PICTURE, a .png, shows the true frames beside what
every decoder makes of their codes, and of those of which a fifth was swapped.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    folder, picture, runs, split = arguments(
        __doc__, EPISODE_STORE=there, PICTURE=str, VQVAE_RUN=[there], split="val"
    )  # fmt: skip

from pathlib import Path

import torch
from torch.nn.functional import max_pool2d

from videovq.data.store import EpisodeStore
from videovq.evaluation.sharpness import gradient_energy
from videovq.frames import psnr, to_float, to_uint8
from videovq.pictures import labelled_rows, write_png
from videovq.runs import load_vqvae
from videovq.training.similar import SimilarCodes

IN_A_ROW, SHOWN = 12, 6
PARTS = {"true codes": 0.0, "10 % swapped": 0.1, "20 % swapped": 0.2}
STILL, AROUND = 2, 4  # grey levels that a still pixel and those so far around it change by, at most

decoders = [load_vqvae(run) for run in runs]
if len({one.codes_of for one in decoders}) > 1:
    raise ValueError("VQVAE_RUN: they have different codes; give runs of one VQ-VAE and of decoders trained for it")
store, first = EpisodeStore(folder), decoders[0].network
middles = {info: max(0, (info.length - IN_A_ROW) // 2) for info in store.split(split)}
frames = torch.cat([store.read(info, at, min(info.length, at + IN_A_ROW)).frames for info, at in middles.items()])
follows = torch.tensor([t > 0 for info in middles for t in range(min(info.length, IN_A_ROW))])[1:]
generator = torch.Generator().manual_seed(0)
with torch.inference_mode():
    true = torch.cat([first.encode(to_float(some)) for some in frames.split(64)])
    similar = SimilarCodes(first.quantizer.code_vectors())
chance = torch.rand(true.shape, generator=generator)
near = torch.randint(similar.count, true.shape, generator=generator)
far = torch.randint(len(similar.codebook), true.shape, generator=generator)


def change(pictures: torch.Tensor) -> torch.Tensor:
    """Between successive pictures, grey levels."""
    return pictures.float().diff(dim=0).abs()


still = max_pool2d(change(frames).amax(dim=-1)[:, None], 2 * AROUND + 1, 1, AROUND)[:, 0] <= STILL
still &= follows[:, None, None]
columns = {"true": frames}
print(f"{len(frames)} frames; {float(still.float().mean()):.1%} of the pixels stand still")
for number, (run, one) in enumerate(zip(runs, decoders, strict=True), 1):
    said = []
    for part, size in PARTS.items():
        codes = similar(true, near, chance < size / 2)
        codes = torch.where((chance >= size / 2) & (chance < size), far, codes)
        with torch.inference_mode():
            again = torch.cat([to_uint8(one.network.decode(some)) for some in codes.split(64)])
        kept = float(gradient_energy(again).sum() / gradient_energy(frames).sum())
        said.append(f"{part} {float(psnr(again, frames).mean()):.2f} dB, gradient energy {kept:.2f}")
        if size == 0 and still.any():
            moved, really = (float(change(some).mean(dim=-1)[still].mean()) for some in (again, frames))
            said.append(f"still pixels change by {moved:.2f} grey levels (true {really:.2f})")
        if size in (0, max(PARTS.values())):
            columns[f"{number}: {part}"] = again
    print(f"{number}, {run}: {'; '.join(said)}")
chosen = torch.linspace(0, len(frames) - 1, SHOWN).long().tolist()
rows = [("", [column[i].numpy() for column in columns.values()]) for i in chosen]
write_png(Path(picture), labelled_rows(list(columns), rows, 3))
