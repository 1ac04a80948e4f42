"""``python -m videovq COMMAND`` is ``videovq COMMAND``."""

import sys

from videovq.cli import main

if __name__ == "__main__":
    sys.exit(main())
