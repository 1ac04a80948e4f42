"""Our EMA quantizer against vector-quantize-pytorch's: same network, data, steps and seed, step by step in turns.

    python benchmarks/quantizers.py EPISODE_STORE [STEPS] [--device auto]

The settings are those of configs/train_vqvae.yaml; both start from k-means and restart codes below the same usage.
Trains on ``train``, measures on ``test``.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    episodes, steps, name = arguments(__doc__, EPISODE_STORE=there, STEPS=600, device="auto")

from pathlib import Path

import torch
from measuring import device_name
from tqdm import trange
from vector_quantize_pytorch import VectorQuantize

from videovq.allocator import keep_freed_memory
from videovq.config import EMAConfig, RotationConfig, TrainVQVAEConfig
from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.evaluation.reconstruction import reconstruction
from videovq.frames import to_float
from videovq.models.quantizers.library import RotationQuantizer
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.rollout.engine import find_device
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.training.step_time import in_bf16, now

SEED = 0
config = read_config(TrainVQVAEConfig, Path(__file__).parents[1] / "configs" / "train_vqvae.yaml")
model, settings, batch_size = config.model, config.model.quantizer, config.training.batch_size
assert isinstance(settings, EMAConfig)
keep_freed_memory()
device = find_device(name)
store = EpisodeStore(episodes)
data = FrameData(store, batch_size, steps, SEED)


def network(theirs: bool) -> VQVAE:
    torch.manual_seed(SEED)
    built = VQVAE(model, data.variance())
    if theirs:
        rows, columns = (side // built.stride for side in store.header.grid)
        share = batch_size * rows * columns / settings.codebook_size
        built.quantizer = RotationQuantizer(RotationConfig(), model.code_dim)
        built.quantizer.vq = VectorQuantize(
            dim=model.code_dim,
            codebook_size=settings.codebook_size,
            rotation_trick=False,
            kmeans_init=True,
            decay=settings.decay,
            commitment_weight=settings.commitment,
            threshold_ema_dead_code=settings.restart_below * share,
        )
    return built.to(device, memory_format=torch.channels_last).train()


networks = {"videovq": network(False), "vector-quantize-pytorch": network(True)}
optimizers = {name: make_optimizer(n, config.optimizer, steps) for name, n in networks.items()}
seconds: dict[str, list[float]] = {name: [] for name in networks}
bf16 = in_bf16(config.training, device)
positions = data.positions["train"]
for step in trange(steps, mininterval=10):
    chosen = torch.randint(
        len(positions), (batch_size,), generator=torch.Generator().manual_seed(SEED * 1_000_003 + step)
    )
    frames = to_float(store.frames(positions[chosen]).to(device))
    for name, net in networks.items():
        torch.manual_seed(step)
        start = now(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output = net(frames)
        optimizers[name]["optimizer"].zero_grad()
        (output.nmse + output.quantizer.loss).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizers[name]["optimizer"].step()
        optimizers[name]["lr_scheduler"]["scheduler"].step()
        seconds[name].append(now(device) - start)
medians = {name: float(torch.tensor(values[min(5, steps - 1) :]).median()) for name, values in seconds.items()}
print(f"{device_name(device)}, {'bf16' if bf16 else 'float32'}, batch {batch_size}")
print(f"{steps} steps of {batch_size} frames, seed {SEED}; measured on test")
print(f"{'quantizer':<26}{'PSNR (dB)':>10}{'perplexity':>12}{'codes used':>12}{'step':>8}")
for name, net in networks.items():
    found = reconstruction(net.eval(), store, "test")
    print(
        f"{name:<26}{found.psnr.mean():>10.2f}{found.perplexity:>12.0f}{found.codes_used:>12}"
        f"{medians[name] / medians['videovq']:>8.2f}"
    )
