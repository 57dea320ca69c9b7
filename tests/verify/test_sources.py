"""Digests of sources: a changed callee is never missed, and a changed activation concerns only those that use it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from verify import sources
from verify.catalogue import catalogue, home_of
from verify.sources import HOME, TABLES, digests, together

PROGRAM = """
import sys
from verify.sources import digests, together
for parameters in sys.argv[2:]:
    print(together(digests(sys.argv[1], tuple(parameters.split(",")))))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the three packages, which a test may change."""
    for package in sources.PACKAGES:
        shutil.copytree(HOME / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def digests_in(tree: Path, module: str, *cases: str) -> list[str]:
    """Digests of the cases in a fresh process, so that nothing is remembered."""
    command = [sys.executable, "-c", PROGRAM, module, *cases]
    done = subprocess.run(command, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def change(tree: Path, file: str, old: str, new: str) -> None:
    path = tree / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("numeric/dormand_prince.py", "import", "import  "),
        ("numeric/manifold_charts.py", "def ", "def  "),  # reached through three others
        ("symbolic/moments.py", "def ", "def  "),
        ("verify/decision.py", "REFUTED_BEYOND = 3.0", "REFUTED_BEYOND = 4.0"),
        ("verify/values.py", "math.fsum", "sum"),
        ("verify/claims/critical_depth.py", "import", "import  "),
    ],
)
def test_one_line_deep_in_a_witness_or_in_the_judge_changes_the_digest(
    tree: Path, file: str, old: str, new: str
) -> None:
    case = "3,5,tanh"
    before = digests_in(tree, "verify.claims.critical_depth", case)
    change(tree, file, old, new)
    assert digests_in(tree, "verify.claims.critical_depth", case) != before


def test_what_a_claim_does_not_reach_does_not_matter(tree: Path) -> None:
    before = digests_in(tree, "verify.claims.activation", "tanh")
    change(tree, "numeric/optimisers.py", "import", "import  ")
    change(tree, "verify/commands/run.py", "import", "import  ")
    assert digests_in(tree, "verify.claims.activation", "tanh") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("numeric/scalar_activations.py", "def _softsign(", "def _softsign("),
        (
            "numeric/scalar_activations.py",
            'ScalarActivation("softsign", _softsign, 1.0',
            'ScalarActivation("softsign", _softsign, 1.5',
        ),
        ("symbolic/activations.py", '"softsign": _named("softsign")', '"softsign": _named("tanh")'),
    ],
)
def test_a_change_in_one_activation_concerns_the_cases_that_use_it(tree: Path, file: str, old: str, new: str) -> None:
    cases = ("3,5,tanh", "3,5,softsign", "3,5,1/3*softsign(z)")
    before = digests_in(tree, "verify.claims.critical_depth", *cases)
    change(tree, file, old, new + " " if old == new else new)
    if old == new:  # a helper of that entry alone: its body
        path = tree / file
        path.write_text(path.read_text().replace("def _softsign( ", "def _softsign("))
        change(
            tree, file, "def _softsign(z: FloatArray) -> Pair:\n", "def _softsign(z: FloatArray) -> Pair:\n    z = z\n"
        )
    after = digests_in(tree, "verify.claims.critical_depth", *cases)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]


def test_every_table_that_is_named_exists() -> None:
    for module, tables in TABLES.items():
        defined = {sources._defined(node) for node in sources.ast.parse(sources._path(module).read_text()).body}
        assert set(tables) <= defined
        assert sum(piece.owners is not None for piece in sources._source(module).pieces) > 5


def test_every_claim_has_digests_and_both_witnesses_are_in_them() -> None:
    for claim in catalogue():
        parts = digests(home_of(claim.id), tuple(str(value) for _, value in claim.cases[0].parameters))
        assert len(together(parts)) == 64
        assert "verify.decision" in parts
        for witness in claim.witnesses:
            assert any(module.startswith(f"{witness.value}.") for module in parts), claim.id


def test_a_module_beside_a_claim_file_of_ones_own_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import helper\nCLAIMS = ()\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    parts = digests(str(tmp_path / "mine.py"), ())
    assert {str(tmp_path / "mine.py"), str(tmp_path / "helper.py")} <= parts.keys()


def test_a_door_that_is_handed_on_reaches_the_whole_package(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import numeric\n\ndef f(g):\n    return g(numeric)\n")
    assert sum(module.startswith("numeric.") for module in digests(str(tmp_path / "mine.py"), ())) > 40


def test_a_door_is_opened_before_its_use_in_the_order_of_the_text(tmp_path: Path) -> None:
    """And what stands in a table at the top of the file is no string in a function."""
    mine = tmp_path / "mine.py"
    mine.write_text(
        "TABLE = ('above',)\n"
        "def predict(case):\n"
        "    if case:\n"
        "        import symbolic as s\n"
        "        return lambda: s.hermite(case.word('inside')).value\n"
    )
    (piece,) = sources._source(str(mine)).pieces
    assert sources._source(str(mine)).imports == {"symbolic.moments"}
    assert piece.strings == {"inside"}


def test_a_source_that_does_not_parse_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(:\n")
    with pytest.raises(ValueError, match=r"cannot read the source .*mine\.py"):
        digests(str(tmp_path / "mine.py"), ())


def files_of(claim_file: Path) -> set[str]:
    return {name for name in digests(str(claim_file), ()) if name.endswith(".py")}


def test_what_a_claim_file_imports_from_a_package_or_the_working_folder_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in {
        "claims/mine.py": "import flows.exact as exact\nfrom flows import rates\nimport torch\n",
        "flows/__init__.py": "",
        "flows/exact.py": "from . import shared\nfrom ..elsewhere import x\n",
        "flows/rates.py": "from flows.constants import c\n",
        "flows/shared.py": "",
        "flows/constants.py": "",
        "flows/unused.py": "",
        "elsewhere.py": "",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    found = {str(Path(file).relative_to(tmp_path)) for file in files_of(tmp_path / "claims/mine.py")}
    reached = {"__init__", "exact", "rates", "shared", "constants"}
    assert found == {"claims/mine.py", "elsewhere.py", *(f"flows/{name}.py" for name in reached)}


def test_the_rest_of_an_installed_package_belongs_to_its_claims(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/__init__.py").write_text("")
    (tmp_path / "paper/claims.py").write_text("from paper.laws import rate\nCLAIMS = ()\n")
    (tmp_path / "paper/laws.py").write_text("rate = 1\n")
    assert str(tmp_path / "paper/laws.py") in files_of(tmp_path / "paper/claims.py")
