"""One thread for every library, as in the workers of a run: two test processes share two cores."""

import os
import sys

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
if "torch" in sys.modules:  # a plugin of pytest may have loaded it before this file
    sys.modules["torch"].set_num_threads(1)

from hypothesis import settings

# The same examples in every run: a push is judged by what it changed, not by a draw (HYPOTHESIS_PROFILE=new draws).

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
