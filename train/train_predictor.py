"""Train a predictor: the same as `videovq train predictor`.

python train/train_predictor.py --config configs/train_predictor.yaml
"""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "predictor", *sys.argv[1:]]))
