"""A popular variant in the file: what it says, and what is refused in one sentence."""

import pytest

from seatrial.spec.deployment import PopularSpec
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

FILE = """\
deployment: shop
{task}
outcomes: {{click: {{}}, purchase: {{fields: {{sku: string, amount: number}}}}}}
variants:
  champion: {{model: "models:/shop/1"}}
  popular: {variant}
"""


def load(variant: str, task: str = "task: ranking") -> PopularSpec:
    spec = load_deployment(FILE.format(variant=variant, task=task)).variants["popular"].popular
    assert spec is not None
    return spec


def test_what_is_left_out_has_a_default() -> None:
    assert load("{popular: {outcome: click, within: 30d}}") == PopularSpec(outcome="click", within=2_592_000.0, most=20)
    said = "{popular: {outcome: purchase, within: 90m, item: sku, value: amount, most: 5}, timeout: 20ms, breaker: off}"
    assert load(said).terms == "outcome: purchase, within: 90m, item: sku, value: amount, most: 5"
    assert load("{popular: {outcome: click, within: 30d}}", "").most == 20  # the champion's version says the task


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("{popular: {outcome: clik, within: 1d}}", "`clik` is not a declared outcome; did you mean `click`?"),
        ("{popular: {outcome: click}}", "a popular variant (`variants.popular.popular`) needs `within`"),
        ("{popular: {outcome: click, within: 0s}}", "`within` is `0s`"),
        ("{popular: {outcome: click, within: 91d}}", "outcomes are sure to be kept for 90d only"),
        ("{popular: {outcome: click, within: 1d, most: 1001}}", "at most 1000"),
        ("{popular: {outcome: click, within: 1d, value: price}}", "`price` is not a field of the outcome `click`"),
        (
            "{popular: {outcome: purchase, within: 1d, value: sku}}",
            "but `value` needs a number, an integer or a boolean",
        ),
        ("{popular: {outcome: purchase, within: 1d, item: amount}}", "but `item` needs a string that names it"),
        ('{popular: {outcome: click, within: 1d}, model: "models:/shop/1"}', "has `model` and `popular`; keep one of"),
        ("{popular: {outcome: click, within: 1d}, cache: {ttl: 1m}}", "`cache` is for a registered `model`"),
        ("{popular: {outcome: click, within: 1d}, runtime: onnx}", "`runtime` is for a registered `model`"),
        ("{popular: {outcome: click, within: 1d}, combine: vote}", "`combine` is of an ensemble"),
        ("{popular: click}", "is not a popular variant: write `{outcome: click, within: 30d}`"),
    ],
    ids=lambda value: value[:60] if value.startswith("{") else None,
)
def test_what_makes_no_sense_is_refused_in_words(variant: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(variant)
    assert words in str(refused.value)


def test_only_a_ranking_has_popular_items() -> None:
    with pytest.raises(SpecError, match="but the task is `regression`; write `task: ranking`, or remove it"):
        load("{popular: {outcome: click, within: 1d}}", "task: regression")


def test_the_default_variant_may_be_popular_where_a_fallback_answers_until_outcomes_come() -> None:
    text = "deployment: shop\noutcomes: {click: {}}\nvariants:\n  champion: {popular: {outcome: click, within: 1d}}\n"
    with pytest.raises(SpecError, match="its list is empty until outcomes come"):
        load_deployment(text)
    load_deployment(text + "fallback: {prediction: []}\n")


def test_an_ensemble_has_no_popular_member() -> None:
    with pytest.raises(SpecError, match="`popular` counts outcomes, and members are models"):
        load_deployment(
            FILE.format(variant="{popular: {outcome: click, within: 1d}}", task="")
            + "  both: {ensemble: [champion, popular]}\n"
        )
