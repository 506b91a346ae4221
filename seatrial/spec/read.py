"""Reads a deployment file: text in, frozen values or every problem with its line out. Offline; nothing is looked up."""

from seatrial.spec.checks import check
from seatrial.spec.deployment import Deployment
from seatrial.spec.grammar.whole import DEPLOYMENT
from seatrial.spec.problems import Findings, Problem, SpecError
from seatrial.spec.tree import lines_of, parse

__all__ = ["Deployment", "Problem", "SpecError", "load_deployment"]


def load_deployment(text: str, source: str = "deployment.yaml") -> Deployment:
    """Reads and checks a deployment file.

    Args:
        text: The file's content.
        source: Its name, for messages.

    Returns:
        The frozen deployment; durations in seconds, shares as fractions of 1.

    Raises:
        SpecError: With all of the file's problems, in order of lines.
    """
    from seatrial.spec.build import build

    root = parse(text, source, DEPLOYMENT.least)
    found = Findings(lines_of(root))
    values = DEPLOYMENT.read(root, "", found)
    if isinstance(values, dict):
        check(values, found)
    if found.problems:
        raise SpecError(source, found.problems)
    return build(values)
