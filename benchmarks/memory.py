"""VQ-VAE training steps with freed memory kept and not kept, in one run each.

python benchmarks/memory.py [STEPS [FRAMES]]
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    steps, frames = arguments(__doc__, STEPS=15, FRAMES=32)

import subprocess
import sys

CODE = """
import sys, time, torch
from videovq.config import VQVAEConfig
from videovq.models.vqvae import VQVAE
from videovq.allocator import keep_freed_memory
name, steps, frames = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if name == "kept":
    keep_freed_memory()
torch.manual_seed(0)
network = VQVAE(VQVAEConfig(code_dim=64)).to(memory_format=torch.channels_last)
frames = (torch.rand(frames, 3, 84, 84) - 0.5).to(memory_format=torch.channels_last)
def step():
    with torch.autocast("cpu", torch.bfloat16):
        output = network(frames)
        loss = output.nmse + output.quantizer.loss
    loss.backward()
for _ in range(steps // 5):
    step()
start = time.perf_counter()
for _ in range(steps):
    step()
print((time.perf_counter() - start) / steps)
"""

times = {}
for name in ("returned", "kept"):
    command = [sys.executable, "-c", CODE, name, str(steps), str(frames)]
    times[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
print(f"a step with memory kept takes {times['kept'] / times['returned']:.2f} of one with memory returned")
