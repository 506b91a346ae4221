"""Popular variants in control: pinned as they are written, their files follow the ledger, whoever is in command."""

from pathlib import Path

import pytest

from seatrial.control import apply as applying
from seatrial.control.loop import Loop
from seatrial.control.perform import Who, promote
from seatrial.control.rounds import EVERY
from seatrial.control.senses import LedgerSenses
from seatrial.releases.leadership import Leadership
from seatrial.releases.popular_files import Scored, popular_file, read_popular
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.harbour import DAY, START, Harbour, World, gateway_worker
from tests.ledger_events import outcome, write_outcomes

RANKING = Signature(
    task="ranking",
    features=(Feature(name="tenure", kind="number"),),
    inputs=(Tensor(name="in", datatype="FP32", shape=(-1, 1), features=("tenure",)),),
    outputs=(Tensor(name="items", datatype="BYTES", shape=(-1, -1)), Tensor(name="s", datatype="FP32", shape=(-1, -1))),
    answer=Answer(prediction="items", scores="s"),
)
FILE = """\
deployment: churn
variants:
  champion: {model: "models:/churn@champion"}
  popular: {popular: {outcome: click, within: 30d}}
outcomes: {click: {}, purchase: {}}
routing:
  - {name: new, cold_start: {outcome: purchase, fewer_than: 2, to: popular}}
  - {name: everybody, split: {champion: 90%, popular: 10%}}
"""
TURNED = """\
deployment: churn
variants:
  champion: {popular: {outcome: click, within: 30d}}
  challenger: {model: "models:/churn/2"}
outcomes: {click: {}}
fallback: {prediction: []}
"""
BOAT, OAR = (Scored("boat", 3.0),), (Scored("oar", 9.0), Scored("boat", 3.0))
WHO = Who("ada", "because")


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    (tmp_path / "home").mkdir()
    found = Harbour(tmp_path / "home")
    for version in (1, 2, 3):
        found.registry.add("churn", version, signature=RANKING)
    return found


def popular(harbour: Harbour) -> Slot:
    return next(slot for slot in harbour.serving.slots if slot.popular is not None)


def items(harbour: Harbour) -> tuple[Scored, ...]:
    terms = popular(harbour).popular
    assert terms is not None
    return read_popular(popular_file(harbour.home, terms.file))


def test_it_stands_beside_the_default_and_calls_things_as_that_does(harbour: Harbour) -> None:
    harbour.apply(FILE)
    slot = popular(harbour)
    assert (slot.model_version, slot.runtime, slot.path) == ("popular", "popular", "")
    assert (slot.signature.features, slot.signature.inputs) == (RANKING.features, RANKING.inputs)
    assert slot.signature.answer == RANKING.answer
    assert harbour.serving.task == "ranking"
    assert items(harbour) == ()  # nothing has happened, and that is known before the first request
    assert harbour.apply(FILE).changes == ()


def test_an_edit_of_what_counts_is_another_list_and_is_said(harbour: Harbour) -> None:
    harbour.apply(FILE)
    before = popular(harbour)
    assert harbour.apply(FILE.replace("within: 30d", "within: 7d")).changes == (
        "`popular` counts otherwise: popular {outcome: click, within: 30d, most: 20} → "
        "popular {outcome: click, within: 7d, most: 20}.",
    )
    assert popular(harbour).digest != before.digest
    assert popular(harbour).popular != before.popular


def test_the_file_follows_the_ledger_each_minute_after_a_restart_too(harbour: Harbour) -> None:
    world = World()
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        with Leadership(harbour.home, harbour.url) as leadership:
            loop = Loop(harbour.site, world, leadership)
            world.popular = BOAT
            loop.step(harbour.clock.forward(seconds=1))
            assert items(harbour) == BOAT
            world.popular = OAR
            loop.step(harbour.clock.forward(seconds=EVERY - 1))
            assert items(harbour) == BOAT
            loop.step(harbour.clock.forward(seconds=1))
            assert items(harbour) == OAR
            world.popular = ()  # what was counted is too long ago
            Loop(harbour.site, world, leadership).step(harbour.clock.forward(seconds=1))
            assert items(harbour) == ()
    harbour.close()


def test_a_missing_or_torn_file_is_made_again(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.popular = OAR
    harbour.apply(FILE)
    terms = popular(harbour).popular
    assert terms is not None
    path = popular_file(harbour.home, terms.file)
    with Leadership(harbour.home, harbour.url) as leadership:
        for hurt in (path.unlink, lambda: path.write_bytes(b"{")):
            hurt()
            Loop(harbour.site, world, leadership).step(harbour.clock.forward(seconds=1))
            assert items(harbour) == OAR
    path.unlink()
    asked = []
    monkeypatch.setattr(applying, "_items", lambda _site: lambda *given: asked.append(given) or BOAT)
    assert harbour.apply(FILE).changes == ()
    assert items(harbour) == BOAT
    ((deployment, given, now),) = asked
    assert (deployment, given, now) == ("churn", terms, harbour.clock.now)
    assert now > START
    harbour.close()


def test_it_may_take_command_and_goes_on_being_counted(harbour: Harbour) -> None:
    world = World()
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        promote(harbour.site, "churn", WHO, "popular")
        assert harbour.versions["champion"] == "popular"
        said = harbour.state.audit.of("churn")[-1].sentence
        assert said.endswith("It counts outcomes, so churn@champion stays on version 1.")
        slot = popular(harbour)
        assert slot.signature.features == RANKING.features  # of the version before, which is loaded still
        with Leadership(harbour.home, harbour.url) as leadership:
            world.popular = OAR
            Loop(harbour.site, world, leadership).step(harbour.clock.forward(seconds=1))
        assert items(harbour) == OAR
        assert harbour.apply(FILE).changes == ()
    harbour.close()


def test_a_model_may_take_command_from_it(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(TURNED)
        assert harbour.serving.slot("champion").signature.features == RANKING.features
        promote(harbour.site, "churn", WHO)
        assert harbour.versions["champion"] == "churn:2"
        assert harbour.apply(TURNED).changes == ()
    harbour.close()


def test_beside_a_version_of_another_task_it_is_refused(harbour: Harbour) -> None:
    harbour.registry.add("churn", 1)
    with pytest.raises(BadInput, match="answers with a list of items, which is a ranking, but `champion` is of class"):
        harbour.apply(FILE)


def test_the_ledger_is_counted_for_the_deployment_and_for_all(harbour: Harbour) -> None:
    harbour.apply(FILE)
    terms = popular(harbour).popular
    assert terms is not None
    gone = outcome("click", unit="ann", item="rope", id="gone")
    write_outcomes(
        harbour.home,
        *(outcome("click", unit=unit, item="oar") for unit in ("ann", "bob")),
        outcome("click", unit="ann", item="boat", deployment="churn"),
        outcome("click", unit="ann", item="boat", deployment="other"),
        gone,
        gone._replace(withdrawn=True, received_at=gone.received_at + 1),
    )
    assert LedgerSenses(harbour.home).items("churn", terms, START) == (Scored("oar", 2.0), Scored("boat", 1.0))
    assert LedgerSenses(harbour.home).items("churn", terms, START + 30 * DAY) == ()
