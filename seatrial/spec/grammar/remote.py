"""Variants that somebody else's server answers for."""

from seatrial.spec.grammar.words import FEATURE
from seatrial.spec.shapes import Key, Listed, Named, Record, Text

HEADER = Text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "the name of an HTTP header")
REMOTE_ANSWER = Text(r"[^\n]{1,200}", "write a path like `$.score`, or the name of an output")

REMOTE = Record(
    "a remote variant",
    {
        "url": Key(
            Text(r"https?://[^\s/?#]+(/[^\s#]*)?", "write `http://host:port/path` or `https://host/path`"),
            "A server that takes JSON by POST and answers JSON; a secret in it as `${NAME}`.",
        ),
        "open_inference": Key(
            Text(r"(https?|grpcs?)://[^\s/?#]+(/[^\s?#]*)?", "write `http://host:port`, or `grpc://host:port`"),
            "A server of the Open Inference Protocol, by `http`, `https`, `grpc` or `grpcs`.",
        ),
        "body": Key(
            Text(r"[^\0]{1,10000}", "write the JSON to send, with `{{ features }}` in it"),
            "What is sent to `url`: JSON with `{{ features }}`, `{{ features.<name> }}`, or `{{ instances }}` for all "
            "rows of a request at once.",
            default='"{{ features }}"',
        ),
        "answer": Key(
            REMOTE_ANSWER,
            "Where the prediction stands: for `url` a path like `$.label` (`$.predictions[*].label` with "
            "`{{ instances }}`), else the name of an output.",
        ),
        "score": Key(REMOTE_ANSWER, "Likewise: of two classes, where the probability of the second stands."),
        "scores": Key(
            REMOTE_ANSWER,
            "Likewise: where the probabilities of all classes stand, in the order of the default variant's classes, "
            "or in JSON by class.",
        ),
        "headers": Key(
            Named(HEADER, Text(r"[\x20-\x7e]{1,4000}", "printable ASCII")),
            "Headers (by gRPC: metadata) of every request; a secret in one as `${NAME}`.",
            default="{}",
        ),
        "model": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", "the model's name at that server"),
            "For `open_inference`: the model's name at that server.",
        ),
        "version": Key(
            Text(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}", 'its version at that server, in quotes: `"3"`'),
            "For `open_inference`: its version there; without it, the one that the server chooses.",
        ),
        "features": Key(
            Listed(FEATURE, least=1),
            "For `open_inference`: the features in the columns of the server's one input, in order, where its metadata "
            "do not say it.",
        ),
    },
    one_of=("url", "open_inference"),
    forms='write `{url: "http://host:port/score", answer: $.prediction}` or '
    '`{open_inference: "http://host:port", model: name}`',
)
