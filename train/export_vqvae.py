"""Copy a finished VQ-VAE run's config and half-precision weights into a folder: a run that is small enough to share.

python train/export_vqvae.py runs/vqvae videovq/pretrained/NAME
"""

import sys
from pathlib import Path

from videovq.checkpoints import WEIGHTS, export

if __name__ == "__main__":
    folder = Path(sys.argv[2])
    export(sys.argv[1], folder)
    print(f"{folder / WEIGHTS}: {(folder / WEIGHTS).stat().st_size / 1e6:.2f} MB")
