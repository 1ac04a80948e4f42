"""Encode episodes: the same as `videovq encode`.

python train/encode_episodes.py --config configs/encode.yaml
"""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main(["encode", *sys.argv[1:]]))
