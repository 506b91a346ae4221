"""A remote variant in the file: templates, paths, and what is refused in one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.spec.answer_path import NotThere, find, of_each_row, parse_path
from seatrial.spec.body_template import fill, parse_body
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

FILE = 'deployment: churn\nvariants:\n  champion: {model: "models:/churn@champion"}\n  legacy: '
ROWS = [{"tenure": 3.0, "country": "NO"}, {"tenure": None, "country": 'a "quote"'}]


def bodies(template: str) -> list[Any]:
    return [json.loads(body) for body in fill(parse_body(template), ROWS)]


def test_a_template_of_one_row_gives_a_body_a_row() -> None:
    assert bodies("{{ features }}") == ROWS
    assert bodies('{"data": [{{features}}], "n": 1}') == [{"data": [row], "n": 1} for row in ROWS]
    assert bodies("[{{ features.tenure }}, {{ features.country }}]") == [[3.0, "NO"], [None, 'a "quote"']]
    assert parse_body("{{ features.tenure }}").features == ("tenure",)


def test_a_template_of_all_rows_gives_one_body() -> None:
    assert bodies('{"instances": {{ instances }}}') == [{"instances": ROWS}]


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_feature_holds_stays_in_its_place(name: str, value: str) -> None:
    row = {name: value, "b": "{{ features }}"}
    (body,) = fill(parse_body('{"row": {{ features }}, "b": {{ features.b }}}'), [row])
    assert json.loads(body) == {"row": row, "b": "{{ features }}"}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('{"a": 1}', "says nothing of the row"),
        ('{"a": "{{ features }}"}', "without quotes around it"),
        ('{"a": {{ features }}', "is not JSON"),
        ("{{ row }}", "`{{ row }}` stands for nothing"),
        ("{{ features. }}", "stands for nothing"),
        ("[{{ instances }}, {{ features }}]", "keep one of them"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse_body(template)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", {"a": [{"b c": 1}, {"b c": 2}], "_x-1": 3}),
        ("$.a[1]['b c']", 2),
        ("$._x-1", 3),
        ("$.a[*]['b c']", [1, 2]),
    ],
)
def test_a_path_finds(path: str, value: object) -> None:
    assert find({"a": [{"b c": 1}, {"b c": 2}], "_x-1": 3}, parse_path(path)) == value
    assert of_each_row(parse_path(path)) == ("*" in path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$.b", "no `b` in an object of `a`"),
        ("$.a[2]", "no element 2 in a list of 1"),
        ("$.a[0].x", "no `x` in `5`"),
        ("$[*]", "an object of `a` where a list"),
        ("$.a[*].x", "no `x` in `5`"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: str, words: str) -> None:
    with pytest.raises(NotThere, match=words.replace("[", r"\[")):
        find({"a": [5]}, parse_path(path))


@pytest.mark.parametrize("path", ["score", "", "$.", "$..a", "$.a[-1]", "$[?(@.a)]", "$.a[*].b[*]", "$['a", "$.a b"])
def test_a_path_beyond_the_small_part_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        parse_path(path)


def test_every_form_reads() -> None:
    plain = load_deployment(
        FILE + '{remote: {url: "http://churn:8000/score", body: "{{ features }}", answer: $.score}}'
    ).variants["legacy"]
    assert plain.model is None
    assert plain.remote is not None
    assert (plain.remote.address, plain.remote.answer) == ("http://churn:8000/score", "$.score")
    for address in ("http://h:1", "https://h/prefix", "grpc://h:2", "grpcs://h"):
        read = load_deployment(
            FILE + f'{{timeout: 50ms, remote: {{open_inference: "{address}", model: m, version: "3"}}}}'
        ).variants["legacy"]
        assert read.remote is not None
        assert (read.remote.model, read.remote.version, read.timeout) == ("m", "3", 0.05)


def test_the_reference_changes_with_whatever_changes_the_answers() -> None:
    told = [
        '{remote: {url: "http://h/s", answer: $.a}}',
        '{remote: {url: "http://h/s", answer: $.b}}',
        '{remote: {url: "http://h/s", answer: $.a, headers: {X-A: b}}}',
        '{remote: {open_inference: "http://h/s", model: a}}',
        '{model: "models:/a/1"}',
    ]
    references = [load_deployment(FILE + text).variants["legacy"].reference for text in told]
    assert len(set(references)) == len(told)
    assert references[-1] == "models:/a/1"
    same = load_deployment(FILE + '{timeout: 9s, remote: {answer: $.a, url: "http://h/s"}}').variants["legacy"]
    assert same.reference == references[0]


REFUSED = {
    "neither": ("{timeout: 1s}", "needs exactly one of `model` or `remote`"),
    "both": ('{model: models:/a/1, remote: {url: "http://h", answer: $.a}}', "keep one of `model` or `remote`"),
    "no address": ("{remote: {answer: $.a}}", "needs exactly one of `url` or `open_inference`"),
    "scheme": ('{remote: {url: "ftp://h", answer: $.a}}', "write `http://host:port/path`"),
    "no answer": ('{remote: {url: "http://h"}}', r"add `answer: \$.prediction`"),
    "rows": ('{remote: {url: "http://h", body: "{{ instances }}", answer: $.a}}', r"write `\[\*\]` for the rows"),
    "one row": ('{remote: {url: "http://h", answer: "$.a[*]"}}', "the body is of one row"),
    "two scores": ('{remote: {url: "http://h", score: $.a, scores: $.b}}', "keep one"),
    "template": ('{remote: {url: "http://h", body: "{{ x }}", answer: $.a}}', "stands for nothing"),
    "path": ('{remote: {url: "http://h", answer: score}}', "is not a path into the answer"),
    "model of a url": ('{remote: {url: "http://h", answer: $.a, model: m}}', "`model` goes with `open_inference`"),
    "no model": ('{remote: {open_inference: "http://h"}}', "add `model:`"),
    "body": ('{remote: {open_inference: "http://h", model: m, body: "{{ features }}"}}', "`body` goes with `url`"),
    "path of an output": ('{remote: {open_inference: "http://h", model: m, answer: $.a}}', "the name of an output"),
    "lookup": ('{lookup: {scores: s}, remote: {url: "http://h", answer: $.a}}', "`legacy` is remote"),
    "device": ('{device: cuda, remote: {url: "http://h", answer: $.a}}', "`legacy` is remote"),
    "runtime": ('{runtime: onnx, remote: {url: "http://h", answer: $.a}}', "`legacy` is remote"),
    "batch": ('{batch: {rows: 8}, remote: {url: "http://h", answer: $.a}}', "`legacy` is remote"),
    "our header": ('{remote: {url: "http://h", answer: $.a, headers: {Content-Length: "3"}}}', "not yours to set"),
    "broken header": ('{remote: {url: "http://h", answer: $.a, headers: {X: "a\\r\\nY: b"}}}', "printable ASCII"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_sentence_each(case: str) -> None:
    text, words = REFUSED[case]
    with pytest.raises(SpecError, match=words) as caught:
        load_deployment(FILE + text)
    assert len(caught.value.problems) == 1, caught.value


@pytest.mark.parametrize(
    "remote",
    [
        'url: "http://me:hunter2@h/s"',
        'url: "http://h/s?api_key=hunter2"',
        'url: "http://h/s", headers: {Authorization: "Bearer hunter2"}',
        'url: "http://h/s", headers: {X-API-Key: hunter2}',
        'url: "http://h/s", headers: {Cookie: hunter2}',
    ],
)
def test_a_secret_in_plain_letters_is_refused_and_never_shown(remote: str) -> None:
    with pytest.raises(SpecError, match="stands in plain letters") as caught:
        load_deployment(FILE + f"{{remote: {{answer: $.a, {remote}}}}}")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.problems)


def test_a_secret_by_name_is_kept_by_name() -> None:
    text = '{remote: {answer: $.a, url: "http://me:${PW}@h/s", headers: {Authorization: "Bearer ${TOKEN}"}}}'
    read = load_deployment(FILE + text).variants["legacy"].remote
    assert read is not None
    assert (read.url, read.headers) == ("http://me:${PW}@h/s", {"Authorization": "Bearer ${TOKEN}"})
