"""The README's tutorial, word for word, on a real system; then with two models that are not the README's."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveSystem

pytestmark = pytest.mark.processes

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)

BRING_TWO = """
import lightgbm
import numpy as np
import pandas as pd
import seatrial
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

random, n = np.random.default_rng(7), 600
churn = pd.DataFrame({
    "plan": pd.Categorical(random.choice(["basic", "plus", "family"], n)),
    "region": pd.Categorical(np.where(random.random(n) < 0.1, None, random.choice(["north", "south"], n))),
    "tenure": random.integers(0, 72, n),
    "spend": np.where(random.random(n) < 0.15, np.nan, random.gamma(2.0, 20.0, n).round(2)),
})
churn["churned"] = (random.random(n) < np.where(churn["plan"] == "basic", 0.7, 0.2)).astype(int)
inputs = churn.drop(columns="churned")
model = lightgbm.LGBMClassifier(n_estimators=15, verbose=-1).fit(inputs[:400], churn["churned"][:400])
model.booster_.save_model("churn.txt")
churn[:400].to_parquet("churn_train.parquet")
churn[400:].to_parquet("churn_holdout.parquet")
inputs[400:405].to_json("churn_rows.json", orient="records")
np.savetxt("churn_truth.txt", model.predict_proba(inputs[400:405])[:, 1])

said = {"delivery": "parcel never came", "billing": "invoice is wrong", "access": "cannot log in"}
mail = pd.DataFrame({"queue": random.choice(list(said), n)})
mail["subject"] = [f"{said[queue]}, case {number}" for number, queue in enumerate(mail["queue"])]
mail["length"] = random.integers(10, 500, n)
pipeline = make_pipeline(
    make_column_transformer((TfidfVectorizer(), "subject"), ("passthrough", ["length"])),
    LogisticRegression(max_iter=3000),
).fit(mail[["subject", "length"]][:400], mail["queue"][:400])
print(seatrial.register("mail", pipeline, data=mail[:400], target="queue", holdout=mail[400:]).uri)
"""

SMALLEST = 'deployment: {name}\nvariants:\n  champion: {{model: "models:/{name}@champion"}}\n'


class Tutorial:
    """A system in a fresh directory, with the files that the README writes."""

    def __init__(self, system: LiveSystem) -> None:
        self.system = system
        text = README.read_text("utf-8")
        blocks = BLOCK.findall(text[text.index("## Five minutes") :])
        self.files = {body.split("\n", 1)[0].removeprefix("# "): body for kind, body in blocks if kind}
        self.commands = [line for kind, body in blocks if not kind for line in body.splitlines()]
        for name, body in self.files.items():
            (system.place / name).write_text(body.replace("127.0.0.1:8080", system.running.http))

    def python(self, file: str) -> str:
        done = subprocess.run(
            [sys.executable, file],
            cwd=self.system.place,
            env=self.system.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def say(self, line: str, *, code: int = 0) -> str:
        """Run a line of the README; the sentence that came."""
        program, *words = shlex.split(line, comments=True)
        assert line in "\n".join(self.commands), f"the README does not say {line!r}"
        return self.python(words[0]) if program == "python" else self.seatrial(*words, code=code)

    def seatrial(self, *words: str, code: int = 0) -> str:
        done = self.system.command(*words)
        assert done.returncode == code, f"seatrial {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    system = LiveSystem(tmp_path_factory.mktemp("tutorial"))
    said = system.command("init")
    assert said.returncode == 0, said.stderr
    with system:
        yield Tutorial(system)


def test_the_readme(tutorial: Tutorial) -> None:
    assert tutorial.say("python train.py").split() == ["models:/progress/1", "models:/progress/2"]
    assert "fine" in tutorial.say("seatrial check progress.yaml")
    assert "revision 1 is served" in tutorial.say("seatrial apply progress.yaml")
    request, _, version = tutorial.say("python use.py").split()
    assert version == "progress:1"
    assert "absolute errors of the challenger progress:2" in tutorial.say("seatrial judge progress", code=1)
    assert "shadow stage" in tutorial.say("seatrial status progress")
    assert "progress:2 took command" in tutorial.say('seatrial promote progress --reason "agreed with the clinic"')
    assert "progress:1 took command back" in tutorial.say('seatrial rollback progress --reason "complaints"')
    assert "agreed with the clinic" in tutorial.say("seatrial history progress")
    written = tutorial.say("seatrial data progress --outcomes measured --out train.parquet")
    assert "wrote 142 rows" in written
    assert "142 with measured" in written
    story = tutorial.seatrial("explain", request)
    assert "because entry `everybody` gives it 100% of the units" in story
    assert "outcome measured 57.0 at" in story
    assert '"visits":1' in story.replace(" ", "")
    assert tutorial.seatrial("models", "show", "progress").startswith("progress:2\n")
    assert ", 0 differently" in tutorial.seatrial("history", "progress", "--verify")
    assert "nothing changes" in tutorial.seatrial("apply", "progress.yaml")


def test_the_sample_request_of_init_works(tutorial: Tutorial) -> None:
    features = '{"sepal_length": 6.4, "sepal_width": 2.8, "petal_length": 5.6, "petal_width": 2.1}'
    assert "virginica" in tutorial.seatrial("predict", "iris", "--unit", "somebody", "--features", features)


def test_a_booster_and_a_text_pipeline(tutorial: Tutorial) -> None:
    place = tutorial.system.place
    (place / "bring.py").write_text(BRING_TWO)
    assert tutorial.python("bring.py").split() == ["models:/mail/1"]
    files = ("--data", "churn_train.parquet", "--target", "churned", "--holdout", "churn_holdout.parquet")
    assert "registered churn:1" in tutorial.seatrial("register", "churn", "churn.txt", *files)
    for name in ("churn", "mail"):
        (place / f"{name}.yaml").write_text(SMALLEST.format(name=name))
        assert "revision 1 is served" in tutorial.seatrial("apply", f"{name}.yaml")
    _the_booster_answers_as_it_did(tutorial)
    unseen = '{"subject": "my invoice is wrong again", "length": 30}'
    assert "billing" in tutorial.seatrial("predict", "mail", "--unit", "a", "--features", unseen)


def _the_booster_answers_as_it_did(tutorial: Tutorial) -> None:
    place = tutorial.system.place
    truth = [float(line) for line in (place / "churn_truth.txt").read_text().split()]
    caller = tutorial.system.caller()
    rows = [{"features": row} for row in json.loads((place / "churn_rows.json").read_text())]
    answer = caller("POST", "/v1/deployments/churn/predict", {"unit": "a", "instances": rows})
    caller.close()
    assert answer.status == 200
    assert [one["score"] for one in answer.body["predictions"]] == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("register", "bad", "bad.onnx", "--data", "sample/train.csv"), "'bad.onnx' is not an ONNX model"),
        (("register", "bad", "bad.xyz", "--data", "sample/train.csv"), "no model file that seatrial knows"),
        (("register", "bad", "sample/model.onnx", "--data", "gone.csv"), "no reference data at 'gone.csv'"),
        (("register", "bad", "sample/model.onnx", "--data", "other.csv"), "reference data"),
        (("apply", "nine.yaml"), "The model 'iris' has no version 9; its newest is 1."),
        (("predict", "iris", "--features", "[]"), "0 rows"),
        (("predict", "iris", "--features", '{"sepal_length": 1}'), "'sepal_width' is missing and not nullable"),
        (("predict", "iris", "--features", '{"sepal_length": 1e999}'), "no number of JSON"),
        (("predict", "iris", "--unit", "x" * 10_240, "--features", "{}"), "the limit is 1024"),
    ],
)
def test_bad_input_is_one_sentence(tutorial: Tutorial, words: tuple[str, ...], sentence: str) -> None:
    place = tutorial.system.place
    for name in ("bad.onnx", "bad.xyz"):
        (place / name).write_text("garbage\n")
    (place / "other.csv").write_text("a,b\n1,2\n3,4\n")
    (place / "nine.yaml").write_text('deployment: nine\nvariants:\n  champion: {model: "models:/iris/9"}\n')
    said = tutorial.seatrial(*words, code=2)
    assert sentence in said
    assert said.startswith("error: ")
    assert "Traceback" not in said


def test_too_many_rows_are_refused_with_the_limit(tutorial: Tutorial) -> None:
    row = b'{"features":{"sepal_length":1,"sepal_width":1,"petal_length":1,"petal_width":1}}'
    caller = tutorial.system.caller(timeout=60)
    some = caller("POST", "/v1/deployments/iris/predict", b'{"instances":[' + b",".join([row] * 20_000) + b"]}")
    assert (some.status, some.body["error"]) == (
        413,
        "20000 rows in one request; the limit is 10000, send several requests",
    )
    many = caller("POST", "/v1/deployments/iris/predict", b'{"instances":[' + b",".join([row] * 1_000_000) + b"]}")
    caller.close()
    assert many.status == 413
    assert "16777216 bytes" in many.body["error"]
