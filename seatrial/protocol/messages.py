"""The messages of ``inference.GRPCInferenceService``, as a table, and the classes that protobuf makes of it.

No code is generated, and the table lies in a pool of its own: a client's generated messages of the same names live in
the same process without a clash. Names and numbers are the protocol's; Triton's additions are left out, and protobuf
skips what it does not know.
"""

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_PARAMETERS = "map InferParameter"

TABLE: dict[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": ("string name", "string version"),
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name", "string version", "repeated string extensions"),
    "ModelMetadataRequest": ("string name", "string version"),
    "ModelMetadataResponse": (
        "string name",
        "repeated string versions",
        "string platform",
        "repeated ModelMetadataResponse.TensorMetadata inputs",
        "repeated ModelMetadataResponse.TensorMetadata outputs",
    ),
    "ModelMetadataResponse.TensorMetadata": ("string name", "string datatype", "repeated int64 shape"),
    "ModelInferRequest": (
        "string model_name",
        "string model_version",
        "string id",
        f"{_PARAMETERS} parameters",
        "repeated ModelInferRequest.InferInputTensor inputs",
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs",
        "repeated bytes raw_input_contents",
    ),
    "ModelInferRequest.InferInputTensor": (
        "string name",
        "string datatype",
        "repeated int64 shape",
        f"{_PARAMETERS} parameters",
        "InferTensorContents contents",
    ),
    "ModelInferRequest.InferRequestedOutputTensor": ("string name", f"{_PARAMETERS} parameters"),
    "ModelInferResponse": (
        "string model_name",
        "string model_version",
        "string id",
        f"{_PARAMETERS} parameters",
        "repeated ModelInferResponse.InferOutputTensor outputs",
        "repeated bytes raw_output_contents",
    ),
    "ModelInferResponse.InferOutputTensor": (
        "string name",
        "string datatype",
        "repeated int64 shape",
        f"{_PARAMETERS} parameters",
        "InferTensorContents contents",
    ),
    "InferParameter": (
        "oneof bool bool_param",
        "oneof int64 int64_param",
        "oneof string string_param",
        "oneof double double_param",
        "oneof uint64 uint64_param",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents",
        "repeated int32 int_contents",
        "repeated int64 int64_contents",
        "repeated uint32 uint_contents",
        "repeated uint64 uint64_contents",
        "repeated float fp32_contents",
        "repeated double fp64_contents",
        "repeated bytes bytes_contents",
    ),
}
"""Message → fields as ``[repeated | map | oneof] type name``, numbered from 1 in order; a dot is nesting."""

CALLS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
"""The service's calls; each takes ``<call>Request`` and gives ``<call>Response``."""

CHOICE = "parameter_choice"

_Field = descriptor_pb2.FieldDescriptorProto


class _Row(NamedTuple):
    label: str
    kind: str
    name: str


def _row(text: str) -> _Row:
    *label, kind, name = text.split()
    return _Row("".join(label), kind, name)


def _fill(message: Any, fields: tuple[str, ...]) -> None:
    for number, row in enumerate(map(_row, fields), start=1):
        field = message.field.add(name=row.name, number=number)
        many = row.label in ("repeated", "map")
        field.label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
        if row.label == "map":
            _type(field, f"{message.name}.{_entry(message, row)}", nested_in=message)
        else:
            _type(field, row.kind)
        if row.label == "oneof":
            if not message.oneof_decl:
                message.oneof_decl.add(name=CHOICE)
            field.oneof_index = 0


def _type(field: Any, kind: str, nested_in: Any = None) -> None:
    if hasattr(_Field, f"TYPE_{kind.upper()}"):
        field.type = getattr(_Field, f"TYPE_{kind.upper()}")
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = kind.rpartition(".")[2] if nested_in is not None else f".{PACKAGE}.{kind}"


def _entry(message: Any, row: _Row) -> str:
    """What ``map<string, kind> name`` is to protobuf: a nested message of a key and a value."""
    entry = message.nested_type.add(name=f"{row.name.title()}Entry")
    entry.options.map_entry = True
    for number, (name, kind) in enumerate((("key", "string"), ("value", row.kind)), start=1):
        _type(entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL), kind)
    return str(entry.name)


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="seatrial/inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, Any] = {}
    for name, fields in sorted(TABLE.items()):
        outer, _, inner = name.partition(".")
        made[name] = made[outer].nested_type.add(name=inner) if inner else file.message_type.add(name=name)
        _fill(made[name], fields)
    return file


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in sorted(TABLE)
    }


MESSAGES: dict[str, Any] = _classes()
"""The message classes, by name."""
