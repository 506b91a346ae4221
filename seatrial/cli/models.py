"""``register`` and ``models``: trained models become versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, moment, print_json, print_table
from seatrial.spec.errors import BadInput

if TYPE_CHECKING:
    from seatrial.models.manifest import Manifest
    from seatrial.models.register import Registered
    from seatrial.models.registry import Registry


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog="Example: seatrial register churn model.skops --data train.csv --target churned --holdout test.csv"
    )(register)
    group = typer.Typer(help="List registered models, show a version, move an alias.", no_args_is_help=True)
    group.command("list", epilog="Example: seatrial models list")(list_models)
    group.command("show", epilog="Example: seatrial models show churn@champion")(show)
    group.command("alias", epilog="Example: seatrial models alias churn staging 7")(alias)
    app.add_typer(group, name="models")


def register(
    name: str = typer.Argument(..., help="Name of the registered model."),
    model: str = typer.Argument(
        ..., help="Model file (.onnx, .skops, .joblib, LightGBM .txt, XGBoost .json or .ubj, .pt2) or MLflow URI."
    ),
    data: Path = typer.Option(..., help="The rows it was trained on, .parquet or .csv."),
    target: str | None = typer.Option(None, help="The column of the data that the model predicts."),
    holdout: Path | None = typer.Option(
        None, help="Rows it was not fitted on: prediction profile and performance are measured on these only."
    ),
    task: str | None = typer.Option(
        None, help="classification, regression, ranking or raw, where the model cannot say."
    ),
    schema: Path | None = typer.Option(None, help="YAML with corrections of the inferred features."),
    trust: str = typer.Option("none", help="'pickle' allows a model file that runs code when it is loaded."),
    parity: float = typer.Option(1e-4, help="How far the served form's answers may be from the original's."),
    runtime: str | None = typer.Option(None, help="onnx (tried first), or python: the original in its own process."),
    alias: str | None = typer.Option(None, help="Alias to put on the new version."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Convert a trained model, prove that it answers as before, profile it, give it a version."""
    from seatrial.models.register import register as register_model

    registered = register_model(
        name,
        model,
        data=data,
        target=target,
        holdout=holdout,
        task=_one_of("--task", task, ("classification", "regression", "ranking", "raw")),
        schema=schema,
        trust=_one_of("--trust", trust, ("none", "pickle")),
        parity=parity,
        runtime=_one_of("--runtime", runtime, ("onnx", "python")),
        alias=alias,
        settings=settings(),
    )
    if json:
        print_json(registered)
    else:
        _tell(registered)


def _one_of(option: str, value: str | None, choices: tuple[str, ...]) -> Any:
    if value is not None and value not in choices:
        raise BadInput(f"{option} {value!r} is not known; choose one of {', '.join(choices)}")
    return value


def _tell(registered: Registered) -> None:
    manifest = registered.manifest
    named = f" ({', '.join('@' + a for a in registered.aliases)})" if registered.aliases else ""
    typer.echo(f"registered {registered.name}:{registered.version}{named}, served by the {manifest.runtime} runtime")
    for line in _facts(manifest, proof=False):  # a note of the registration tells the proof
        typer.echo(f"  {line}")
    for note in registered.notes:
        typer.echo(f"  note: {note}")


def _facts(manifest: Manifest, *, proof: bool = True) -> list[str]:
    signature, parity, lineage = manifest.signature, manifest.parity, manifest.lineage
    facts = [f"{signature.task} of {len(signature.features)} features, learned on {lineage.data_rows:,} rows"]
    if parity is not None and proof:
        facts.append(
            f"answers as the original does on {parity.rows:,} rows of data and {parity.made_rows:,} made rows "
            f"(worst difference {max(parity.worst_probability, parity.worst_relative):.1g})"
        )
    if lineage.metrics:
        measured = ", ".join(f"{name} {value:.4g}" for name, value in lineage.metrics.items())
        facts.append(f"on {lineage.holdout_rows:,} held-out rows: {measured}")
    return facts


def list_models(json: bool = typer.Option(False, "--json", help=JSON_HELP)) -> None:
    """List every registered version."""
    from seatrial.models.registry import Registry

    versions = Registry(settings()).list()
    if json:
        print_json(versions)
    elif not versions:
        typer.echo("no model is registered yet; see seatrial register --help")
    else:
        print_table(
            ("version", "aliases", "registered"),
            ((f"{v.name}:{v.version}", " ".join(v.aliases), moment(v.created_at)) for v in versions),
        )


def show(
    version: str = typer.Argument(..., help="name (its newest version), name:7, name@alias, or models:/name/7."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Show a version: its features with their kinds, its parity, where it came from."""
    from seatrial.models.registry import Registry

    registry = Registry(settings())
    found, manifest = registry.show(*_which(registry, version))
    if json:
        print_json({"version": found, "manifest": manifest})
        return
    typer.echo(f"{found.name}:{found.version} {' '.join('@' + a for a in found.aliases)}".rstrip())
    for line in _facts(manifest):
        typer.echo(f"  {line}")
    print_table(
        ("feature", "kind", "nullable", "categories"),
        (
            (f.name, f.kind, "yes" if f.nullable else "no", ", ".join(f.categories or ())[:60])
            for f in manifest.signature.features
        ),
    )


def alias(
    name: str = typer.Argument(..., help="Name of the registered model."),
    alias: str = typer.Argument(..., help="The alias, for example champion."),
    version: int = typer.Argument(..., help="The version it shall point at."),
) -> None:
    """Put an alias on a version."""
    from seatrial.models.registry import Registry

    Registry(settings()).set_alias(name, alias, version)
    typer.echo(f"models:/{name}@{alias} is now {name}:{version}")


def _which(registry: Registry, text: str) -> tuple[str, int]:
    """The name and version that a person means; a bare name means its newest version."""
    if not any(mark in text for mark in ":@/"):
        there = registry.versions(text)
        if there:
            return text, max(there)
        registry.aliases(text)  # raises: there is none of that name, and these there are
    return registry.resolve(_uri(text))


def _uri(text: str) -> str:
    if text.startswith("models:/"):
        return text
    name, separator, version = text.rpartition(":")
    return f"models:/{name}/{version}" if separator else f"models:/{text}"
