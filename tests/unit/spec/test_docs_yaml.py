"""The docs are true: every deployment file in them loads, every default is the default, every setting is there."""

import re
from pathlib import Path

import pytest

from seatrial.spec import reference
from seatrial.spec.features import load_features
from seatrial.spec.grammar.whole import DEPLOYMENT
from seatrial.spec.metrics_file import METRICS_FILE, load_metrics
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import SETTINGS
from seatrial.spec.tree import parse

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = [ROOT / "docs" / "deployment-file.md", ROOT / "docs" / "settings.md"]


def blocks(page: Path) -> list[tuple[int, str]]:
    """Every YAML block of a page with its line; a block inside a list is taken out of its indentation."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^( *)```ya?ml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        body = re.sub(rf"^{match.group(1)}", "", match.group(2), flags=re.MULTILINE)
        found.append((text.count("\n", 0, match.start()) + 1, body))
    return found


BLOCKS = [(page.relative_to(ROOT), line, body) for page in PAGES for line, body in blocks(page)]


@pytest.mark.parametrize(("page", "line", "body"), BLOCKS, ids=[f"{page}:{line}" for page, line, _ in BLOCKS])
def test_every_yaml_block_reads(page: Path, line: int, body: str) -> None:
    tree = parse(body, f"{page}:{line}").plain
    if "deployment" in tree:
        load_deployment(body, f"{page}:{line}")
    if "features" in tree:
        load_features(body, f"{page}:{line}")
    if set(tree) <= set(METRICS_FILE.keys) and "metrics" in tree:
        load_metrics(body, f"{page}:{line}")


def test_there_are_examples() -> None:
    assert sum("deployment:" in body for _, _, body in BLOCKS) >= 2


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.name)
def test_tables_are_what_the_grammar_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == reference.fill(text), f"run: python -m seatrial.spec.reference {page.relative_to(ROOT)}"


def test_the_reference_page_holds_every_table() -> None:
    told = {name for page in REFERENCE for name in re.findall(r"<!-- table: ([a-z-]+) -->", page.read_text("utf-8"))}
    assert told == set(reference.blocks())


def test_every_record_of_the_grammar_has_a_section() -> None:
    known = [id(record) for record in reference.SECTIONS.values()]
    assert all(id(record) in known for record in reference.records(DEPLOYMENT))


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name in SETTINGS:
        assert f"| `{name}` | `SEATRIAL_{name.upper()}` |" in text


DEFAULTS = {
    # a file without the key, and where it goes
    "deployment": "deployment: a\nvariants: {champion: {model: models:/m/1}}\n@: #\n",
    "unit": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nunit: {@: #}\n",
    "variants": "deployment: a\nvariants: {champion: {model: models:/m/1, @: #}}\n",
    "lookup": "deployment: a\nvariants: {champion: {model: models:/m/1}, b: {model: models:/m/1, "
    "lookup: {scores: s, @: #}}}\n",
    "breaker": "deployment: a\nvariants: {champion: {model: models:/m/1, breaker: {@: #}}}\n",
    "remote": "deployment: a\nvariants: {champion: {model: models:/m/1}, b: "
    '{remote: {url: "http://h/s", answer: $.a, @: #}}}\n',
    "popular": "deployment: a\noutcomes: {o: {}}\nvariants: {champion: {model: models:/m/1}, b: "
    "{popular: {outcome: o, within: 1d, @: #}}}\n",
    "batch": "deployment: a\nvariants: {champion: {model: models:/m/1, batch: {@: #}}}\n",
    "cache": "deployment: a\nvariants: {champion: {model: models:/m/1, cache: {@: #}}}\n",
    "transform": "deployment: a\nvariants: {champion: {model: models:/m/1}}\ntransform: {model: models:/p/1, @: #}\n",
    "outcomes": "deployment: a\nvariants: {champion: {model: models:/m/1}}\noutcomes: {o: {@: #}}\n",
    "outcome-source": "deployment: a\nvariants: {champion: {model: models:/m/1}}\n"
    'outcomes: {o: {source: {sql: "select :since", url_env: X, @: #}}}\n',
    "metrics": "deployment: a\nvariants: {champion: {model: models:/m/1}}\noutcomes: {o: {}}\n"
    "metrics: {m: {kind: mean, outcome: o, within: 1d, @: #}}\n",
    "data": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nmonitors: {data: {@: #}}\n",
    "constraints": "deployment: a\nvariants: {champion: {model: models:/m/1}}\n"
    "monitors: {data: {constraints: {f: {least: 0, @: #}}}}\n",
    "performance": "deployment: a\nvariants: {champion: {model: models:/m/1}}\noutcomes: {o: {label: true}}\n"
    "metrics: {m: {kind: accuracy, outcome: o, within: 1d}}\nmonitors: {performance: {metric: m, @: #}}\n",
    "concept": "deployment: a\nvariants: {champion: {model: models:/m/1}}\noutcomes: {o: {label: true}}\n"
    "monitors: {concept: {outcome: o, within: 1d, @: #}}\n",
    "fairness": "deployment: a\ncontext: {c: string}\nvariants: {champion: {model: models:/m/1}}\n"
    "monitors: {fairness: {by: [context.c], @: #}}\n",
    "multivariate": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nmonitors: {multivariate: {@: #}}\n",
    "shadow-gap": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nmonitors: {shadow_gap: {@: #}}\n",
    "skew": "deployment: a\nvariants: {champion: {model: models:/m/1}}\noutcomes: {o: {fields: {x: number}}}\n"
    "monitors: {skew: {outcome: o, @: #}}\n",
    "alerting": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nalerting: {@: #}\n",
    "after": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nalerting: {after: {@: #}}\n",
    "actions": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nactions: [{on: [data], run: r, @: #}]\n",
    "log": "deployment: a\nvariants: {champion: {model: models:/m/1}}\nlog: {@: #}\n",
    "experiment": "deployment: a\nvariants: {champion: {model: models:/m/1}, b: {model: models:/m/2}}\n"
    "routing: [{name: e, split: {champion: 50%, b: 50%}}]\noutcomes: {o: {}}\n"
    "metrics: {m: {kind: mean, outcome: o, within: 1d}}\n"
    "experiment: {in: e, primary: {metric: m, minimum_effect: {relative: 1%}}, @: #}\n",
}
RELEASE = (
    "deployment: a\nvariants: {champion: {model: models:/m/1}, b: {model: models:/m/2}}\noutcomes: {o: {}}\n"
    "metrics: {m: {kind: mean, outcome: o, within: 1d}}\nrelease:\n  of: b\n  into: everybody\n"
    "  primary: {metric: m, minimum_effect: {relative: 1%}}\n"
)
DEFAULTS |= {
    "release": RELEASE + "  stages: [{test: {}}]\n  @: #\n",
    "shadow": RELEASE + "  stages: [{shadow: {@: #}}]\n",
    "holdout": RELEASE + "  stages: [{test: {}}]\n  holdout: {share: 2%, for: 90d, @: #}\n",
    "challenge": RELEASE.replace("/m/2", "/m/latest") + "  stages: [{test: {}}]\n"
    "  challenge: {every: 14d, budget: 20%, @: #}\n",
    "canary": RELEASE + "  stages: [{canary: {steps: [5%], @: #}}]\n",
    "test": RELEASE + "  stages: [{test: {@: #}}]\n",
    "method": RELEASE + "  stages: [{test: {}}]\n  method: {@: #}\n",
    "prior": RELEASE + "  stages: [{test: {}}]\n  method: {name: bayes, prior: {sd: 1, @: #}}\n",
}
BANDIT = (
    "deployment: a\nvariants: {champion: {model: models:/m/1}, b: {model: models:/m/2}}\noutcomes: {o: {}}\n"
    "routing:\n  - {name: everybody, bandit: {arms: [champion, b], "
)
DEFAULTS |= {
    "bandit": BANDIT + "reward: {outcome: o, within: 1h}, @: #}}\n",
    "reward": BANDIT + "reward: {outcome: o, within: 1h, @: #}}}\n",
}
STATED = [(s, name) for s, record in reference.SECTIONS.items() for name, key in record.keys.items() if key.default]


@pytest.mark.parametrize(("section", "name"), STATED)
def test_every_stated_default_is_the_default(section: str, name: str) -> None:
    text = DEFAULTS[section]
    default = reference.SECTIONS[section].keys[name].default
    written = load_deployment(text.replace("@", name).replace("#", str(default)))
    left_out = load_deployment(re.sub(r"(, )?@: #", "", text))
    assert written == left_out
