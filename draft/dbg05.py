import json, sys, random; sys.path.insert(0,'/work/main')
import nbformat, os, time
from nbclient import NotebookClient
from helpers import mlm_experiments
f='/work/main/data/results/05_sweep.json'
if not os.path.exists(f):
    d={n:random.uniform(.5,.7) for n in mlm_experiments.experiments()}
    json.dump(d,open(f,'w'))
nb=nbformat.read('/work/main/notebooks/05_mlm_pretraining.ipynb',4)
for c in nb.cells: c.source=c.source.replace("STEPS = 250","STEPS = 60")
os.environ.update(OMP_NUM_THREADS="1",TQDM_DISABLE="1",TRANSFORMERS_VERBOSITY="error",HF_HUB_OFFLINE="1",COURSE_RESULTS="/tmp/dev/res")
t=time.time()
NotebookClient(nb,timeout=900,allow_errors=True,kernel_name="python3",resources={'metadata':{'path':'/work/main/notebooks'}}).execute()
print(time.time()-t)
nbformat.write(nb,'/tmp/dev/05_out.ipynb')
for i,c in enumerate(nb.cells):
    if c.cell_type=='code':
        for o in c.outputs:
            if o.output_type=='error': print(i,o.ename,o.evalue[:600])
