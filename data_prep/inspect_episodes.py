"""Say what is in an EpisodeStore, and write a contact sheet of its episodes.

python data_prep/inspect_episodes.py stores/episodes sheet.png
"""

import sys
from pathlib import Path

import torch
from einops import rearrange

from videovq.data.store import EpisodeStore
from videovq.pictures import write_png
from videovq.prep.prepare import report

if __name__ == "__main__":
    store = EpisodeStore(sys.argv[1])
    print(report(store))
    rows = []
    for info in store.episodes[:: max(1, len(store.episodes) // 12)][:12]:
        places = torch.linspace(0, info.length - 1, 12).long()
        rows.append(store.read(info).frames[places])
    write_png(Path(sys.argv[2]), rearrange(torch.stack(rows), "r t h w c -> (r h) (t w) c").numpy())
