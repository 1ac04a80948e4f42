"""Say what is in an EpisodeStore, what is odd about it, and whether its actions fit its frames: `videovq inspect`.

python data_prep/inspect_episodes.py --store stores/episodes --out reports/inspect
"""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main(["inspect", *sys.argv[1:]]))
