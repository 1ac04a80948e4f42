"""Prepare recorded episodes: the same as `videovq prep`.

python data_prep/prepare_episodes.py --config configs/prep.yaml --source episodes --out stores/episodes
"""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main(["prep", *sys.argv[1:]]))
