"""results.json: round trip, strict reading, and a schema that says what the code does."""

import json
import math
from pathlib import Path

import jsonschema
import msgspec
import pytest

import verify
from verify.claim import Context
from verify.judge import judge
from verify.results import (
    RESULTS_FILE,
    SCHEMA,
    Result,
    Results,
    RunRecord,
    Verdict,
    as_float,
    encode,
    number,
    read,
    schema_text,
)

HOME = Path(verify.__file__).parent


def record(**changes: object) -> RunRecord:
    fields: dict[str, object] = {
        "id": "20261122T101500Z-1a2b3c",
        "started": "2026-11-22T10:15:00Z",
        "tier": "smoke",
        "seed": 0,
        "device": "cpu",
        "dtype": "float64",
        "commit": None,
        "command": "saddle-escape run",
        "versions": {"python": "3.11.7"},
        "conventions": {"loss": "1/2 E"},
        "complete": True,
        "exit_code": 0,
    }
    return RunRecord(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def results(sample):  # type: ignore[no-untyped-def]
    claim = sample()
    return Results(schema=SCHEMA, run=record(), results=(judge(claim, claim.cases[0], Context()),))


def test_what_is_written_is_what_is_read(results: Results, tmp_path: Path) -> None:
    path = tmp_path / RESULTS_FILE
    path.write_bytes(encode(results))
    assert read(path) == results


def test_the_file_obeys_its_published_schema(results: Results) -> None:
    jsonschema.validate(json.loads(encode(results)), json.loads(schema_text()))


def test_every_copy_of_the_schema_is_what_the_code_says() -> None:
    copies = [HOME / "schema" / "results-1.json", Path(__file__).parents[2] / "reports/schema/results-1.json"]
    for copy in copies:
        assert copy.read_text() == schema_text(), f"write it again: python -m verify.results > {copy}"


def test_the_contract_names_every_field_of_a_result() -> None:
    assert set(Result.__struct_fields__) == {
        *("claim", "theorem", "reading", "expect", "as_expected", "case", "verdict", "reason", "evidence", "predicted"),
        *("measured", "budget", "hypotheses", "counterfeits", "seconds"),
        *("series", "component"),  # ours, beyond the contract: fields may be added
    }
    assert [verdict.value for verdict in Verdict] == [
        *("pass", "fail", "refuted-as-expected", "inconclusive", "error", "skipped")
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"), (0.1, 0.1), (3, 3), ("x", "x"), (None, None),
     (999_999_999_999_999, 999_999_999_999_999), (-(10**15), "-1000000000000000")],
)  # fmt: skip
def test_json_has_no_infinity(value: float | str | None, written: float | str | None) -> None:
    assert number(value) == written
    assert as_float(number(math.inf)) == math.inf
    assert as_float("2*x") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"schema": "results-1", "run": 3, "results": []}', r"\$\.run"),
        (b'{"schema": "results-1", "results": []}', "run"),
    ],
)
def test_a_garbled_file_is_named_with_the_wrong_field(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / RESULTS_FILE
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_file_of_another_version_is_refused(results: Results, tmp_path: Path) -> None:
    path = tmp_path / RESULTS_FILE
    path.write_bytes(encode(msgspec.structs.replace(results, schema="results-2")))
    with pytest.raises(ValueError, match="results-2"):
        read(path)


def test_fields_that_a_later_version_adds_do_not_hurt(results: Results, tmp_path: Path) -> None:
    plain = json.loads(encode(results))
    plain["run"]["later"] = 1
    path = tmp_path / RESULTS_FILE
    path.write_text(json.dumps(plain))
    assert read(path) == results
