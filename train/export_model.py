"""Copy the configs and half-precision weights of finished runs into a folder that is small enough to share.

python train/export_model.py FOLDER VQVAE_RUN [PREDICTOR_RUN]
"""

import argparse
from pathlib import Path

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("FOLDER", type=Path)
    parser.add_argument("VQVAE_RUN")
    parser.add_argument("PREDICTOR_RUN", nargs="?")
    given = parser.parse_args()

    from videovq.checkpoints import WEIGHTS, export

    folder = given.FOLDER
    try:
        export(given.VQVAE_RUN, given.PREDICTOR_RUN, folder)
    except ValueError as error:
        parser.error(str(error))
    for path in sorted(folder.glob(f"*/{WEIGHTS}")):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
