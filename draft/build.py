"""Make a notebook of a text: cells begin with '#%% md' or '#%% code [tags]'."""
import sys, re, hashlib, nbformat
src=open(sys.argv[1]).read(); out=sys.argv[2]
nb=nbformat.v4.new_notebook()
nb.metadata={"kernelspec":{"display_name":"Python 3 (ipykernel)","language":"python","name":"python3"},"language_info":{"name":"python"}}
for n,part in enumerate(re.split(r'^#%% ',src,flags=re.M)[1:]):
    head,_,body=part.partition('\n'); kind,*tags=head.split()
    body=body.strip('\n')
    c=(nbformat.v4.new_markdown_cell if kind=='md' else nbformat.v4.new_code_cell)(body)
    c['id']=hashlib.sha256(f"{out.split('/')[-1]}{n}{body[:40]}".encode()).hexdigest()[:8]
    if tags: c.metadata['tags']=tags
    nb.cells.append(c)
nbformat.write(nb,out)
