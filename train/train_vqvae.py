"""Train a VQ-VAE: the same as `videovq train vqvae`.

python train/train_vqvae.py --config configs/train_vqvae.yaml
"""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "vqvae", *sys.argv[1:]]))
