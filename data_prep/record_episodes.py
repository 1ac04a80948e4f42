"""Record episodes from ViZDoom, any Gymnasium environment or DeepMind Lab.

    python data_prep/record_episodes.py --config configs/record.yaml --out episodes

The same as ``videovq record``; the code is in videovq/prep/record.py, environments in videovq/prep/environments/.
"""

import sys

from videovq.cli import main

if __name__ == "__main__":  # the recording processes import this file
    sys.exit(main(["record", *sys.argv[1:]]))
