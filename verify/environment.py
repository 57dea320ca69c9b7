"""The circumstances of a run that its record must name: versions, commit, conventions."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

PACKAGES = ("saddle-escape", "sympy", "python-flint", "mpmath", "numpy", "scipy", "scikit-learn", "torch")

CONVENTIONS = {
    "network": "yhat = W_L s(W_{L-1} s(... s(W_1 x))), z_1 = W_1 x, z_l = W_l s(z_{l-1}), s pointwise, no biases",
    "loss": "1/2 E (yhat - y)^2 unless the claim says otherwise",
    "flow": "gradient flow dW/dt = -grad; time is gradient-flow time",
    "teacher": "y = beta s(v.x), x ~ N(0, I_d), |v| = 1",
    "phi": "phi_s(z) = z s'(z) - s(z); q is the order of its first non-zero term",
    "plain": "layer scale F_l = |W_l|_F; z_1 = F_1 u/sqrt(N), z_l = F_l s(z_{l-1}), yhat = sqrt(N) F_L s(z_{L-1})",
    "ntk": "layer scale X_l = |W_l|_F/sqrt(N); hidden and output layers carry 1/sqrt(N); dX_l/dt = -(1/N) dLoss/dX_l",
    "seed": "per case: first 8 bytes of SHA-256 of (seed, claim, case)",
}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a verdict depends on; none of them is imported."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def commit() -> str | None:
    """The commit of the source tree, with ``+changes`` if it is not clean; None outside git."""
    here = Path(__file__).resolve().parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10)
        if head.returncode:
            return None
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # An installed copy may lie inside somebody else's checkout: only our own files' history counts.
    ours = subprocess.run(
        ["git", "ls-files", "--error-unmatch", __file__], cwd=here, capture_output=True, text=True, timeout=10
    )
    if ours.returncode:
        return None
    return head.stdout.strip() + ("+changes" if status.stdout.strip() else "")
