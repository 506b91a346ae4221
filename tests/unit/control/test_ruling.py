"""What apply says of rules: with the versions' features, as notes or as a refusal."""

import pytest

from seatrial.spec.errors import BadInput
from tests.harbour import PLAIN, Harbour, signature

FEATURE = signature().features[0].name
FILE = PLAIN + (
    "  challenger: {model: 'models:/churn/2'}\n"
    "routing:\n"
    f"  - {{name: some, when: 'features.{FEATURE} > 24', to: challenger}}\n"
    f"  - {{name: fewer, when: 'features.{FEATURE} > 30', to: champion}}\n"
    "  - {name: everybody, split: {champion: 100%}}\n"
)


def test_apply_notes_what_the_prover_finds(harbour: Harbour) -> None:
    applied = harbour.apply(FILE, plan_only=True, prove=True)
    assert applied.notes[0] == "`fewer` never fires: `some` above it takes all of its requests."
    assert "`some` (challenger) and `fewer` (champion) both match" in applied.notes[1]
    assert harbour.apply(FILE).published


def test_strict_refuses(harbour: Harbour) -> None:
    with pytest.raises(BadInput, match=r"refused by --strict: `fewer` never fires"):
        harbour.apply(FILE, prove=True, strict=True)
    assert harbour.state.deployments.find("churn") is None


def test_what_no_request_lacks_is_known_from_the_version(harbour: Harbour) -> None:
    always = FILE.replace(f"features.{FEATURE} > 30", f"!has(features.{FEATURE})")
    (note,) = harbour.apply(always, plan_only=True, prove=True).notes
    assert note == "`fewer` never fires: no request meets its condition."
