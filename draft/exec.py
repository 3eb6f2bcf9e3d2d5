"""Execute a notebook cell by cell, going on after errors; print errors and times."""
import sys, time, nbformat
from nbclient import NotebookClient
p=sys.argv[1]; nb=nbformat.read(p,4)
t=[0]; 
def st(cell,cell_index): t[0]=time.time()
def en(cell,cell_index):
    d=time.time()-t[0]
    if cell.cell_type=='code':
        err=[o for o in cell.outputs if o.output_type=='error']
        if d>3 or err: print(f'[{cell_index}] {d:.0f}s', (err[0].ename+': '+err[0].evalue[:300]) if err else '', flush=True)
c=NotebookClient(nb,timeout=None,allow_errors=True,kernel_name='python3',resources={'metadata':{'path':'notebooks'}},on_cell_execute=st,on_cell_complete=en)
b=time.time(); c.execute(); print('total',time.time()-b); nbformat.write(nb,p.replace('.ipynb','.out.ipynb'))
