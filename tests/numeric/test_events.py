import pytest

from numeric.events import EscapeRule, Status, escape_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("loss:0.5", EscapeRule("loss", 0.5)),
        ("loss", EscapeRule("loss", 0.5)),
        ("scale:0.5@3", EscapeRule("scale", 0.5, 3)),
        ("scale:2", EscapeRule("scale", 2.0, 1)),
        ("overlap:0.1", EscapeRule("overlap", 0.1)),
    ],
)
def test_rules_are_read_and_printed(text: str, rule: EscapeRule) -> None:
    assert escape_rule(text) == rule
    assert escape_rule(str(rule)) == rule
    assert escape_rule(rule) is rule


@pytest.mark.parametrize(
    "text",
    ["", "loss:0", "loss:1", "loss:-1", "loss:x", "scale:0.5@0", "scale:", "overlap:nan", "norm:1", "loss:0.5@2"],
)
def test_hostile_rules(text: str) -> None:
    with pytest.raises(ValueError, match="escape rule"):
        escape_rule(text)


def test_every_status_has_a_cause_and_an_advice() -> None:
    assert {status.value for status in Status} == {
        "escaped", "budget-spent", "not-finite", "step-underflow", "until-reached",
    }  # fmt: skip
    assert all(status.cause.endswith(".") and status.advice.endswith(".") for status in Status)
    assert [status for status in Status if not status.failed] == [Status.ESCAPED, Status.UNTIL_REACHED]
