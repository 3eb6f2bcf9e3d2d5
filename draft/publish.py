import sys; sys.path.insert(0,'/work/main')
from pathlib import Path
from helpers import pretrain, cards
kind=sys.argv[1]; out=Path('/work/main/data/cache/pretrain')/kind
cards.write(out); print(pretrain.publish(kind,out))
