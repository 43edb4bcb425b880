"""The crawler and its command line. Imported before anything that loads numpy, in every process."""

import os

# No linear algebra is done, but OpenBLAS starts a thread for each core that spins for a while: 75 ms of CPU a process.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
