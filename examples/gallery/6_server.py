"""
Ask a server
============

`tramontane serve` answers over HTTP. From Python, one of its models is a simulator like any other. Here the server runs
on this machine; only the address would differ elsewhere.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cantilevers import Cantilever, write_cantilevers

import tramontane as tm

# %%
# A model to serve: the one of the QoIs alone, which is trained in a second.

folder = Path(tempfile.mkdtemp())
dataset = tm.ingest(write_cantilevers(folder / "beams", 12), folder / "beams.dataset", test=2, validation=1)
tm.fit(dataset, model="scalars").save(folder / "models" / "beam")

# %%
# Start the server; port 0 takes a free one. In a terminal this is ``tramontane serve models/``.

command = [sys.executable, "-m", "tramontane", "serve", "models", "--port", "0", "--no-page", "--log-level", "error"]
server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
address = re.search(r"http://[\d.:]+", server.stdout.readline())[0]

# %%
# Ask it. The geometry is sent once, however often it is asked about.

try:
    remote = tm.connect(address, model="beam")
    print(remote.contract)
    part = Cantilever().simulate(tm.Design(length="530 mm", width="38 mm", height="47 mm", load="640 N"))
    for load in ("300 N", "0.6 kN", "2 kN"):
        case = remote.simulate(tm.Design(part.design.geometry, load=load))
        print(f"{load:>6}: deflection {1e3 * case.qoi['deflection']:.3f} mm", *map(str, case.notices), sep="\n        ")
finally:
    server.terminate()
    server.wait()
