import sys, subprocess, nbformat
src,out=sys.argv[1:]
import os; os.chdir('/work/main')
subprocess.run(['/tmp/dev/venv/bin/jupytext','--to','ipynb','--output',out,src],check=True,stdout=subprocess.DEVNULL)
nb=nbformat.read(out,4)
nb.metadata={'kernelspec':{'display_name':'Python 3 (ipykernel)','language':'python','name':'python3'},'language_info':{'codemirror_mode':{'name':'ipython','version':3},'file_extension':'.py','mimetype':'text/x-python','name':'python','nbconvert_exporter':'python','pygments_lexer':'ipython3'}}
for c in nb.cells: c.metadata.pop('lines_to_next_cell',None)
nbformat.write(nb,out)
subprocess.run(['.venv/bin/ruff','check','-q','--select','I','--fix',out]); subprocess.run(['.venv/bin/ruff','format','-q',out]); subprocess.run(['.venv/bin/ruff','check','--output-format','concise',out])
