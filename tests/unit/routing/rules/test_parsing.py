"""Rules as they are read: what they say, and what is refused in which words."""

import msgspec
import pytest

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.kinds import RuleError
from seatrial.routing.rules.parsing import Names, parse_rule
from seatrial.routing.rules.showing import show

NAMES = Names(
    {"tenure": "double", "plan": "string", "vip": "bool", "visits": "int", "days since": "double"},
    {"country": "string", "age": "int"},
    frozenset({"vector"}),
)

READ = {
    'context.country == "US" && features.tenure > 24': None,
    "!(features.visits / 2 == 3) || has(features.vip)": None,
    'features["days since"] < -1500.0 && unit.startsWith("a")': None,
    'features["days since"] < -1.5e3': 'features["days since"] < -1500.0',
    '"days since" in features': None,
    '"vector" in features': "has(features.vector)",
    'features.plan in ["a", "b"]': None,
    "size(unit) % 2 == 0": None,
    "unit.size() > 3": "size(unit) > 3",
    'features.plan.matches("^a+b$")': None,
    "features.vip == true": None,
    "(features.vip || has(context.age)) && !features.vip": None,
    "features.vip && (features.vip || features.vip) && true": None,
    "features.tenure - (features.visits - 1) * 2 >= 0.5": None,
    "-features.visits < 0x10": "-features.visits < 16",
    "features.plan + 'x' == \"ax\"": 'features.plan + "x" == "ax"',
    r'unit == "a\"\\ü\u00e9\n"': 'unit == "a\\"\\\\üé\\n"',
    r"unit == r'\d'": r'unit == "\\d"',
    "features.visits-1 > 2": "features.visits - 1 > 2",
    "features.visits == 3.0 // a comment": "features.visits == 3.0",
}


@pytest.mark.parametrize("text", READ)
def test_what_is_read_is_shown_and_read_again(text: str) -> None:
    found = parse_rule(text, NAMES)
    assert show(found) == (READ[text] or text)
    assert parse_rule(show(found), NAMES) == found
    sent = msgspec.json.encode(found)
    assert msgspec.json.decode(sent, type=e.Expression) == found


REFUSED = {
    "": "the rule is empty; write a condition",
    'context.country == "US" &&': "the rule cannot be read from `&&` on",
    "features.age > 3": "`features.age` is no feature; there are: days since, plan, tenure, vip, visits",
    "context.plan > 3": "`context.plan` is no declared context key; there are: age, country",
    "features.vector == 1": "is a list of numbers, which a rule cannot read",
    'features.tenure > "x"': '`features.tenure` is a number and `"x"` is a text; they cannot be compared',
    "features.vip < true": "`<` has no meaning for true and false",
    "features.vip + 1 > 2": "`+` is of numbers, and `features.vip` is true or false",
    "features.tenure % 2 == 0": "`%` is of whole numbers",
    "unit -1 == 3": "`-` is of numbers, and `unit` is a text",
    "features.vip ? true : false": "rules do not have a choice by `?:`",
    "[1].all(x, x > 1)": "rules do not have `all()`",
    "int(unit) > 1": "rules do not have `int()`",
    'unit in ["b", 3]': "`unit` is a text and `3` is a whole number",
    "unit in [unit]": "a list in a rule holds literals only",
    "unit in []": "the list behind `in` is empty",
    "unit in unit": "`in` wants a list of literals",
    "context": "`context` alone is no value",
    "country == 'US'": "`country` is not known; write `features.country` or `context.country`",
    "context.country == US": '`US` is not known; write `features.US` or `context.US`, or "US" for a text',
    'context.country = "US"': 'the rule cannot be read from `= "US"` on (line 1, column 17); equality is written `==`',
    "features.x > 1 and features.y > 2": "(line 1, column 16); `and` is written `&&`",
    "(features.x > 1": "a `)` is missing",
    'features.plan.matches("(a")': "is none that RE2 takes (missing ): (a)",
    'features.plan.matches("(?=a)")': "is none that RE2 takes",
    "features.plan.matches(unit)": "`matches` takes a pattern in quotes",
    "unit.startsWith(3)": "`startsWith` takes a text, and `3` is a whole number",
    "unit.startsWith()": "`startsWith` takes one text, and has 0",
    "null == features.plan": "`null` is no value in rules; ask `has(",
    "1 + 2": "the rule gives a whole number, and a rule is true or false",
    "-unit > 3": "`-` is of a number, and `unit` is a text",
    "features.tenur > 3": "`features.tenur` is no feature; did you mean `features.tenure`?",
    "features.day_since > 3": '`features.day_since` is no feature; did you mean `features["days since"]`?',
    "context.contry == 'US' && features.plann == 'x' && has(features.nothing)": "`context.contry` is no declared "
    "context key; did you mean `context.country`? `features.plann` is no feature; did you mean `features.plan`? "
    "`features.nothing` is no feature; there are: days since, plan, tenure, vip, visits.",
    "features.visits > 3u": "rules do not have `3u`",
    "features.visits > 9223372036854775808": "does not fit into 64 bits",
    "has(unit)": "`has` asks for a feature or a context key",
    "has(features.nothing)": "`features.nothing` is no feature",
    "features.plan.length == 1": "rules do not have a field of a value",
    r'unit == "\q"': r"the escape \q is not known",
    r'unit == "\ud800"': "is no character",
    "!unit": "`!` turns a condition round, and `unit` is a text",
    "unit && true": "`&&` joins conditions, and `unit` is a text",
    "true " * 3_000: "the rule has 15000 characters",
    "(" * 2_000 + "true" + ")" * 2_000: "the rule is nested too deeply",
    "{'a': 1} == {'a': 1}": "rules do not have",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_rule_is_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(text, NAMES)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)
