"""The VQ-VAE of the well-known PyTorch notebook, written plainly, against the same network as videovq trains it.

    python benchmarks/notebook.py EPISODE_STORE [STEPS [BATCH]] [--size PIXELS]

Settings: configs/train_vqvae_notebook.yaml, frames shrunk to 32x32, 1,500 steps of
256 frames unless told otherwise. Both start from
the same weights and see the same batches, step by step in turns. The plain one is what one writes first: float32, all
distances at once, one-hot products. Its codebook keeps the same rules, k-means on the first batch and restarts of dead
codes included, and makes its own random choices. NMSE is measured on ``test``, in float32.
"""

from __future__ import annotations

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    episodes, steps, batch_size, SIDE = arguments(__doc__, EPISODE_STORE=there, STEPS=1500, BATCH=256, size=32)

import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from tqdm import trange

from videovq.allocator import keep_freed_memory
from videovq.config import TrainVQVAEConfig
from videovq.data.resize import resize
from videovq.data.store import EpisodeStore
from videovq.frames import to_float
from videovq.models.quantizers.contract import perplexity
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.training.machine import precision
from videovq.training.optimizers import optimizer as make_optimizer

SEED, FRAMES = 0, 20_000
HIDDEN, RESIDUAL, DIM, CODES, DECAY, BETA, DEAD = 128, 32, 64, 512, 0.99, 0.25, 0.02


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Conv2d(HIDDEN, RESIDUAL, 3, padding=1), nn.ReLU(), nn.Conv2d(RESIDUAL, HIDDEN, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Codebook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(CODES, DIM))
        self.register_buffer("sums", torch.zeros(CODES, DIM))
        self.register_buffer("counts", torch.zeros(CODES))

    def nearest(self, flat: Tensor) -> Tensor:
        distances = flat.pow(2).sum(1, keepdim=True) - 2 * flat @ self.vectors.T + self.vectors.pow(2).sum(1)
        return torch.zeros(len(flat), CODES).scatter_(1, distances.argmin(1)[:, None], 1)

    def place(self, which: Tensor, vectors: Tensor, batch: int) -> None:
        self.vectors[which] = vectors
        self.counts[which] = DEAD * batch / CODES
        self.sums[which] = vectors * DEAD * batch / CODES

    def start(self, flat: Tensor) -> None:
        self.vectors.copy_(flat[torch.randperm(len(flat))[:CODES]])
        for _ in range(10):
            chosen = self.nearest(flat)
            used = chosen.sum(0) > 0
            self.vectors[used] = (chosen.T @ flat)[used] / chosen.sum(0)[used, None]
        self.place(torch.arange(CODES), self.vectors.clone(), len(flat))

    def learn(self, flat: Tensor, chosen: Tensor) -> None:
        self.counts.mul_(DECAY).add_(chosen.sum(0), alpha=1 - DECAY)
        self.sums.mul_(DECAY).add_(chosen.T @ flat, alpha=1 - DECAY)
        self.vectors.copy_(self.sums / self.counts.clamp(min=1e-9)[:, None])
        dead = (self.counts < DEAD * len(flat) / CODES).nonzero()[:, 0]
        self.place(dead, flat[torch.randperm(len(flat))[: len(dead)]], len(flat))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = z.permute(0, 2, 3, 1).reshape(-1, DIM).float()
        if not self.counts.any():
            self.start(flat.detach())
        chosen = self.nearest(flat.detach())
        quantized = (chosen @ self.vectors).view(len(z), *z.shape[2:], DIM).permute(0, 3, 1, 2)
        if self.training:
            self.learn(flat.detach(), chosen)
        loss = BETA * mse_loss(z, quantized.detach())
        return z + (quantized - z).detach(), loss, chosen.sum(0)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, HIDDEN // 2, 4, 2, 1), nn.ReLU(), nn.Conv2d(HIDDEN // 2, HIDDEN, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1), Residual(), Residual(), nn.ReLU(), nn.Conv2d(HIDDEN, DIM, 1),
        )  # fmt: skip
        self.codebook = Codebook()
        self.decoder = nn.Sequential(
            nn.Conv2d(DIM, HIDDEN, 3, padding=1), Residual(), Residual(), nn.ReLU(),
            nn.ConvTranspose2d(HIDDEN, HIDDEN // 2, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(HIDDEN // 2, 3, 4, 2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        quantized, loss, usage = self.codebook(self.encoder(x))
        return self.decoder(quantized), loss, usage


def frames_of(store: EpisodeStore, split: str, count: int) -> Tensor:
    """Frames spread over a split, uint8 ``n h w c``."""
    places = torch.tensor([(e.shard, e.start + t) for e in store.split(split) for t in range(e.length)])
    chosen = places[torch.linspace(0, len(places) - 1, min(count, len(places))).long()]
    return torch.cat([resize(store.frames(part), SIDE, "crop", str(store)) for part in chosen.split(500)])


@torch.inference_mode()
def measured(network: Plain | VQVAE, frames: Tensor, variance: float) -> tuple[float, float]:
    """NMSE and perplexity."""
    network.eval()
    wrong, usage = 0.0, torch.zeros(CODES)
    for part in frames.split(250):
        x = to_float(part)
        if isinstance(network, Plain):
            again, _, used = network(x)
        else:
            output = network(x)
            again, used = output.reconstruction, output.quantizer.usage
        wrong += float((again - x).pow(2).sum())
        usage += used
    return wrong / frames.numel() / variance, perplexity(usage)


config = read_config(TrainVQVAEConfig, Path(__file__).parents[1] / "configs" / "train_vqvae_notebook.yaml")
keep_freed_memory()
store = EpisodeStore(episodes)
train, test = frames_of(store, "train", FRAMES), frames_of(store, "test", 2000)
variance = float(train[:: max(1, len(train) // 1000)].double().div(255).var())
torch.manual_seed(SEED)
ours, plain = VQVAE(config.model, variance), Plain()
for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
    theirs.data.copy_(mine)
ours.to(memory_format=torch.channels_last).train()
optimizers = {
    "plain": torch.optim.Adam(plain.parameters(), lr=1e-3),
    "videovq": make_optimizer(ours, config.optimizer, steps)["optimizer"],
}
bf16 = precision("auto", "cpu") == "bf16-mixed"


def loss_of(name: str, x: Tensor, autocast: bool) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        if name == "videovq":
            output = ours(x)
            return output.nmse + output.quantizer.loss
        again, loss, _ = plain(x)
        return (again.float() - x).pow(2).mean() / variance + loss


def step(name: str, x: Tensor, autocast: bool) -> float:
    """Seconds that it took."""
    start = time.perf_counter()
    loss = loss_of(name, x, autocast)
    optimizers[name].zero_grad()
    loss.backward()
    optimizers[name].step()
    return time.perf_counter() - start


seconds: dict[str, list[float]] = {name: [] for name in optimizers}
for number in trange(steps, mininterval=10):
    chosen = torch.randint(len(train), (batch_size,), generator=torch.Generator().manual_seed(number))
    x = to_float(train[chosen])
    for name in optimizers:
        seconds[name].append(step(name, x, bf16 and name == "videovq"))
print(f"{steps} steps of {batch_size} frames of {store}, {SIDE}x{SIDE}, seed {SEED}; NMSE on test")
for name, network in (("plain", plain), ("videovq", ours)):
    nmse, used = measured(network, test, variance)
    median, total = float(torch.tensor(seconds[name]).median()), sum(seconds[name])
    print(f"{name:<10} NMSE {nmse:.4f}  perplexity {used:4.0f}  {median:.3f} s a step, {total:.0f} s in all")
plain.train()
again = sorted(step("plain", x, bf16) for _ in range(min(15, steps)))
print(f"the plain step takes {again[len(again) // 2]:.3f} s in videovq's precision")
