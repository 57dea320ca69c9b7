import pytest

from numeric.escape_rule import EscapeRule, parse_escape_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("loss:0.5", EscapeRule("loss", 0.5)),
        ("loss", EscapeRule("loss", 0.5)),
        ("scale:0.5@3", EscapeRule("scale", 0.5, 3)),
        ("scale:.25", EscapeRule("scale", 0.25, 1)),
        (" overlap:1e-1 ", EscapeRule("overlap", 0.1)),
    ],
)
def test_forms(text, rule):
    assert parse_escape_rule(text, 3) == rule
    assert parse_escape_rule(str(rule), 3) == rule
    assert parse_escape_rule(rule, 3) is rule


@pytest.mark.parametrize("text", ["", "loss:", "loss:x", "loss:0.5@2", "norm:1", "scale:1@x", "loss:nan"])
def test_unknown_forms_are_named_with_the_known_ones(text):
    with pytest.raises(ValueError, match=r"write loss:0\.5"):
        parse_escape_rule(text, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss:1", "0 < F < 1"),
        ("loss:-0.1", "0 < F < 1"),
        ("overlap:0", "positive"),
        ("scale:inf", "positive"),
        ("scale:1@0", "layer 0"),
        ("scale:1@4", "choose 1 to 3"),
    ],
)
def test_impossible_levels_and_layers(text, message):
    with pytest.raises(ValueError, match=message):
        parse_escape_rule(text, 3)
