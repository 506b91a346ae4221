"""``register`` and ``models``: trained models become versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, counted, cut, moment, print_json, print_table

if TYPE_CHECKING:
    from seatrial.models.manifest import Manifest
    from seatrial.models.register import Registered
    from seatrial.models.registry import Registry

Task = Literal["classification", "regression", "ranking", "raw"]


def add_to(app: typer.Typer) -> None:
    app.command(
        epilog="Example: seatrial register churn model.skops --data train.csv --target churned --holdout test.csv"
    )(register)
    group = typer.Typer(
        help="List registered models, show a version, move an alias.",
        epilog="Example: seatrial models show churn:7",
        no_args_is_help=True,
    )
    group.command("list", epilog="Example: seatrial models list")(list_models)
    group.command("show", epilog="Example: seatrial models show churn@champion")(show)
    group.command("alias", epilog="Example: seatrial models alias churn staging 7")(alias)
    app.add_typer(group, name="models")


def register(
    name: str = typer.Argument(..., metavar="NAME", help="Name of the registered model."),
    model: str = typer.Argument(
        ...,
        metavar="MODEL",
        help="Model file (.onnx, .skops, .joblib, LightGBM .txt, XGBoost .json or .ubj, .pt2) or MLflow URI.",
    ),
    data: Path = typer.Option(..., help="The rows it was trained on, .parquet or .csv."),
    target: str | None = typer.Option(None, help="The column of the data that the model predicts."),
    holdout: Path | None = typer.Option(
        None, help="Rows it was not fitted on: prediction profile and performance are measured on these only."
    ),
    task: Task | None = typer.Option(None, help="The shape of its answers, where the model cannot say."),
    schema: Path | None = typer.Option(None, help="YAML with corrections of the inferred features."),
    trust: Literal["none", "pickle"] = typer.Option(
        "none", help="'pickle' allows a model file that runs code when it is loaded."
    ),
    parity: float = typer.Option(1e-4, help="How far the served form's answers may be from the original's."),
    runtime: Literal["onnx", "python"] | None = typer.Option(
        None, help="onnx is tried first; python is the original in its own process."
    ),
    env: Path | None = typer.Option(
        None, help="Requirements file: with --runtime python, the packages of an environment of its own."
    ),
    alias: str | None = typer.Option(None, help="Alias to put on the new version."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Make a trained model a version. It is converted, proved to answer as before, and profiled."""
    from seatrial.models.register import register as register_model

    registered = register_model(
        name,
        model,
        data=data,
        target=target,
        holdout=holdout,
        task=task,
        schema=schema,
        trust=trust,
        parity=parity,
        runtime=runtime,
        env=env,
        alias=alias,
        settings=settings(),
    )
    if json:
        print_json(registered)
    else:
        _tell(registered)


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
    features, learned = counted(len(signature.features), "feature"), counted(lineage.data_rows, "row")
    facts = [f"{signature.task} of {features}, learned on {learned}"]
    if parity is not None and proof:
        made = counted(parity.made_rows, "made row")
        facts.append(
            f"answers as the original does on {counted(parity.rows, 'row')} of data and {made} "
            f"(worst difference {max(parity.worst_probability, parity.worst_relative):.1g})"
        )
    if manifest.environment is not None and proof:
        packages = counted(len(manifest.environment.packages), "package")
        facts.append(f"in an environment of its own: {packages}, {manifest.environment.digest[:12]}")
    if lineage.metrics:
        measured = ", ".join(f"{name} {value:.4g}" for name, value in lineage.metrics.items())
        facts.append(f"on {counted(lineage.holdout_rows, 'held-out row')}: {measured}")
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
    version: str = typer.Argument(
        ..., metavar="VERSION", help="name (its newest), name:7, name@alias, or models:/name/7."
    ),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Show a version: its features, its parity, where it came from."""
    from seatrial.models.registry import Registry

    registry = Registry(settings())
    found, manifest = registry.show(*which_version(registry, version))
    if json:
        print_json({"version": found, "manifest": manifest})
        return
    typer.echo(f"{found.name}:{found.version} {' '.join('@' + a for a in found.aliases)}".rstrip())
    for line in _facts(manifest):
        typer.echo(f"  {line}")
    print_table(
        ("feature", "kind", "nullable", "categories"),
        (
            (f.name, f.kind, "yes" if f.nullable else "no", cut(", ".join(f.categories or ()), 60))
            for f in manifest.signature.features
        ),
    )


def alias(
    name: str = typer.Argument(..., metavar="NAME", help="Name of the registered model."),
    alias: str = typer.Argument(..., metavar="ALIAS", help="The alias, for example champion."),
    version: int = typer.Argument(..., metavar="VERSION", help="The version it shall point at."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Put an alias on a version."""
    from seatrial.models.registry import Registry

    Registry(settings()).set_alias(name, alias, version)
    if json:
        print_json({"name": name, "alias": alias, "version": version})
    else:
        typer.echo(f"models:/{name}@{alias} is now {name}:{version}")


def which_version(registry: Registry, text: str) -> tuple[str, int]:
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
