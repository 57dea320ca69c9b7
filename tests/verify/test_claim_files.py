"""Claims of a user's own: found, run, and told in one sentence when they do not load."""

import sys
from pathlib import Path

import pytest

from verify import claim_files
from verify.catalogue import catalogue
from verify.claim_files import claims_of

OWN = """
from verify import (
    Budget, Claim, Counterfeit, Evidence, Hypothesis, Measurement, Prediction, Reading, Tier, Witness, case,
)


def measured(case, context):
    return Measurement(2.0 + case.real("off"), budget=Budget(rounding=0.1))


CLAIMS = (
    Claim(
        id="mine.two", theorem="Mine", title="two", latex="2 = 2", plain="Two is two.", source="here",
        reading=Reading.OURS, evidence=Evidence.NUMERICAL, witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("always"),),
        cases=(case(Tier.SMOKE, 0.1, off=0.0), case(Tier.STANDARD, 0.1, off=0.2), case(Tier.STANDARD, 0.1, off=1.0)),
        predict=lambda case: Prediction(2.0),
        measure=measured,
        counterfeits=(Counterfeit("three", lambda case, truth: Prediction(30.0), nearest=True),),
    ),
)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a claim of its own, which is the working folder until the test ends."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "mine.py").write_text(OWN)
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape]\nclaims = ["claims/mine.py"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_claim_of_ones_own_stands_beside_ours(project: Path) -> None:
    names = [claim.id for claim in catalogue()]
    assert "mine.two" in names
    assert "imbalance.identity" in names


def test_a_folder_means_every_file_in_it(project: Path) -> None:
    (project / "claims" / "_shared.py").write_text("raise RuntimeError")
    assert [claim.id for _, claim in claims_of(project, ["claims"])] == ["mine.two"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\n\ny = nonsense\n", r"bad\.py does not load: line 3: NameError: .*mend that line"),
        ("def f(:\n", r"bad\.py does not load: line 1: "),
        ("CLAIMS = 3\n", r"bad\.py must export CLAIMS, a tuple of verify\.Claim"),
        (OWN.replace('"mine.two"', '"Mine"'), r"bad\.py does not load: line 12: ValueError: claim 'Mine': an id is"),
    ],
)
def test_a_file_that_does_not_load_is_one_sentence(project: Path, text: str, sentence: str) -> None:
    (project / "bad.py").write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        claims_of(project, ["bad.py"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.py.*is not there: correct the path"):
        claims_of(project, ["absent.py"])
    (project / "empty").mkdir()
    with pytest.raises(ValueError, match="has no claim file"):
        claims_of(project, ["empty"])


def test_a_package_brings_claims_by_its_entry_point(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def points(group: str) -> list[metadata.EntryPoint]:
        assert group == "saddle_escape.claims"
        return [metadata.EntryPoint("mine", module, group)]

    (project / "packaged_claims.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.setattr(claim_files.metadata, "entry_points", points)
    module = "packaged_claims"
    assert [claim.id for _, claim in claims_of(project, [])] == ["mine.two"]
    module = "not_there"
    with pytest.raises(
        ValueError, match=r"the claims 'mine' of the package unknown do not load: .*ModuleNotFoundError"
    ):
        claims_of(project, [])
    sys.modules.pop("packaged_claims", None)


def test_files_whose_names_differ_in_one_sign_are_two(project: Path) -> None:
    (project / "claims" / "a-b.py").write_text(OWN.replace("mine.two", "mine.hyphen"))
    (project / "claims" / "a_b.py").write_text(OWN.replace("mine.two", "mine.underscore"))
    found = claims_of(project, ["claims/a-b.py", "claims/a_b.py"])
    assert [claim.id for _, claim in found] == ["mine.hyphen", "mine.underscore"]


def test_a_file_that_ends_the_program_does_not_end_the_command(project: Path) -> None:
    (project / "exits.py").write_text("import sys\n\nsys.exit(0)\n")
    with pytest.raises(ValueError, match=r"exits\.py does not load: line 3: SystemExit"):
        claims_of(project, ["exits.py"])
