"""Checks within a remote variant: which keys go with which kind of server, template against paths, secrets."""

from typing import Any

from seatrial.spec.answer_path import of_each_row, parse_path
from seatrial.spec.body_template import parse_body
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import Findings
from seatrial.spec.secrets import REFERENCE, literal_secret, tells_of_a_secret
from seatrial.spec.units import show

Values = dict[str, Any]

OURS = frozenset(("accept-encoding", "connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"))
"""Headers that say how a body travels, which nobody else may say."""

_OF_OPEN_INFERENCE = ("model", "version", "features")
_READ = ("answer", "score", "scores")


def check_remotes(values: Values, found: Findings) -> None:
    """Notes what is wrong with the remote variants of a file."""
    variants = values.get("variants")
    for name, variant in variants.items() if isinstance(variants, dict) else ():
        remote = variant.get("remote") if isinstance(variant, dict) else None
        if not isinstance(remote, dict):
            continue
        path = f"variants.{name}"
        for key in ("lookup", "runtime", "device", "batch"):
            if key in variant and variant[key] != "off":
                found.add(
                    f"{path}.{key}", key, f"`{key}` is for a registered `model`, and `{name}` is remote; remove one"
                )
        _secrets(remote, f"{path}.remote", found)
        if ("url" in remote) != ("open_inference" in remote):
            (_plain if "url" in remote else _open_inference)(remote, f"{path}.remote", found)


def _plain(remote: Values, path: str, found: Findings) -> None:
    for key in _OF_OPEN_INFERENCE:
        if key in remote:
            message = f"`{key}` goes with `open_inference`, not with `url`; remove one of them"
            found.add(f"{path}.{key}", remote[key], message)
    if not any(key in remote for key in _READ):
        message = "nothing says where the answer stands; add `answer: $.prediction`, or `score` or `scores`"
        found.add(path, None, message)
    _two_scores(remote, path, found)
    whole = _template(remote, path, found)
    for key in _READ:
        text = remote.get(key)
        if isinstance(text, str):
            _path(text, f"{path}.{key}", whole, found)


def _template(remote: Values, path: str, found: Findings) -> bool | None:
    """Whether one body is of all rows; None where that is not known."""
    body = remote.get("body", "{{ features }}")
    if not isinstance(body, str):
        return None
    try:
        return parse_body(body).whole
    except BadInput as error:
        found.add(f"{path}.body", body, f"`body` of a remote variant: {error}")
        return None


def _path(text: str, path: str, whole: bool | None, found: Findings) -> None:
    try:
        each = of_each_row(parse_path(text))
    except BadInput as error:
        found.add(path, text, str(error))
        return
    if whole is True and not each:
        message = f"{show(text)} leads to one value, but `{{{{ instances }}}}` sends all rows; write `[*]` for the rows"
        found.add(path, text, message)
    if whole is False and each:
        message = f"{show(text)} leads to a value a row, but the body is of one row; send `{{{{ instances }}}}`"
        found.add(path, text, message)


def _open_inference(remote: Values, path: str, found: Findings) -> None:
    if "model" not in remote:
        found.add(path, None, "an `open_inference` server has many models; add `model:` with the name of one")
    if "body" in remote:
        found.add(f"{path}.body", remote["body"], "`body` goes with `url`; the protocol has its own, so remove it")
    _two_scores(remote, path, found)
    for key in _READ:
        text = remote.get(key)
        if isinstance(text, str) and text.startswith("$"):
            message = f"{show(text)} is a path, but `{key}` of an `open_inference` server is the name of an output"
            found.add(f"{path}.{key}", text, message)


def _two_scores(remote: Values, path: str, found: Findings) -> None:
    if "score" in remote and "scores" in remote:
        found.add(path, None, "`score` is the second class's probability and `scores` are all of them; keep one")


def _secrets(remote: Values, path: str, found: Findings) -> None:
    for key in ("url", "open_inference"):
        address = remote.get(key)
        secret = literal_secret(address) if isinstance(address, str) else None
        if secret:
            message = f"{secret} of this address stands in plain letters; write it as `${{NAME}}` and export NAME"
            found.add(f"{path}.{key}", "(a secret)", message)
    headers = remote.get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        below = f"{path}.headers.{name}"
        if name.lower() in OURS:
            found.add(below, name, f"the header {show(name)} is not yours to set; remove it")
        elif isinstance(value, str) and tells_of_a_secret(name) and REFERENCE.search(value) is None:
            message = f"the header {show(name)} stands in plain letters; write it as `${{NAME}}` and export NAME"
            found.add(below, "(a secret)", message)
