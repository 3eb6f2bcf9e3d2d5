"""Run some experiments of a sweep with one thread: part.py CORE NAME-PREFIXES…"""
import os, sys, json, time
os.environ['OMP_NUM_THREADS']='1'
os.sched_setaffinity(0,{int(sys.argv[1])})
import torch; torch.set_num_threads(1)
import warnings; warnings.filterwarnings('ignore')
from helpers import tuning_experiments as t, memory, sweep
from pathlib import Path
memory.keep()
out=Path(sys.argv[2]); which=sys.argv[3]
e={**t._recipes(),**t._ways(),**t._remedies(),**t._everything()}
parts={'ways':t._ways(),'remedies':t._remedies(),'everything':t._everything()}
todo={}
for w in which.split(','): todo|=parts[w]
scores=json.loads(out.read_text()) if out.is_file() else {}
for n,f in todo.items():
    if n in scores: continue
    b=time.time(); scores[n]=sweep._plain(f(scores)); out.write_text(json.dumps(scores,indent=1))
    print(f'{time.time()-b:.0f}s',n,scores[n],flush=True)
