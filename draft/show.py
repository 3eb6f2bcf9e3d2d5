import sys,nbformat
nb=nbformat.read(sys.argv[1],4)
for i,c in enumerate(nb.cells):
    if c.cell_type=='markdown': print('---MD',i); print(c.source)
    else:
        print('---CODE',i); print(c.source)
        for o in c.get('outputs',[]):
            t=o.get('text') or o.get('data',{}).get('text/plain') or str(o.get('evalue'))
            print('   >>>',str(t)[:1500])
