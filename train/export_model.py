"""Copy the configs and half-precision weights of finished runs into a folder that is small enough to share.

python train/export_model.py videovq/pretrained/NAME VQVAE_RUN [PREDICTOR_RUN]
"""

import sys
from pathlib import Path

from videovq.checkpoints import WEIGHTS, export

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    export(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None, folder)
    for path in sorted(folder.glob(f"*/{WEIGHTS}")):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
