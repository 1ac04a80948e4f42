"""VQ-VAE training steps with freed memory kept and not kept, in one run each: python benchmarks/memory.py"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    arguments(__doc__)

import subprocess
import sys

CODE = """
import sys, time, torch
from videovq.config import VQVAEConfig
from videovq.models.vqvae import VQVAE
from videovq.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
torch.manual_seed(0)
network = VQVAE(VQVAEConfig(code_dim=64)).to(memory_format=torch.channels_last)
frames = (torch.rand(32, 3, 84, 84) - 0.5).to(memory_format=torch.channels_last)
def step():
    with torch.autocast("cpu", torch.bfloat16):
        output = network(frames)
        loss = output.nmse + output.quantizer.loss
    loss.backward()
for _ in range(3):
    step()
start = time.perf_counter()
for _ in range(15):
    step()
print((time.perf_counter() - start) / 15)
"""

times = {}
for name in ("returned", "kept"):
    out = subprocess.run([sys.executable, "-c", CODE, name], capture_output=True, text=True, check=True).stdout
    times[name] = float(out)
print(f"a step with memory kept takes {times['kept'] / times['returned']:.2f} of one with memory returned")
