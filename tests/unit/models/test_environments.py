"""Environments of models: what a requirements file may say, what is built of it, what is kept, what is quoted."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seatrial.models import environments
from seatrial.models.environments import interpreter, last_words, make_environment, read_requirements, with_needed
from seatrial.models.manifest import Environment
from seatrial.spec.errors import BadInput, NotFound
from tests.wheels import write_wheel


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    return path


def test_names_and_versions_are_read(tmp_path: Path) -> None:
    text = "# ours\n\nscikit-learn==1.5.2  # as trained\nnumpy>=1.26,<3\nrich[jupyter] ~= 13.0\n"
    assert read_requirements(written(tmp_path, text + "six ; python_version > '3'\n")) == (
        "scikit-learn==1.5.2",
        "numpy>=1.26,<3",
        "rich[jupyter] ~= 13.0",
        "six ; python_version > '3'",
    )


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--index-url https://example.org/simple",
        "six @ https://example.org/six.whl",
        "git+https://example.org/six",
        "./six.whl",
        "../six",
        "six==1.0 --hash=sha256:00 \\",
    ],
)
def test_what_is_more_than_a_name_and_versions_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match=r"requirements\.txt, line 2: .* is no package with versions"):
        read_requirements(written(tmp_path, f"numpy\n{line}\n"))


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no requirements file"):
        read_requirements(tmp_path / "none.txt")
    with pytest.raises(BadInput, match="names no package"):
        read_requirements(written(tmp_path, "# nothing\n"))


def test_what_the_process_imports_itself_is_added_where_it_is_not_named() -> None:
    assert with_needed(("numpy==2.0",), "skops") == (
        ("numpy==2.0", "msgspec", "pandas", "skops"),
        ("msgspec", "pandas", "skops"),
    )
    assert with_needed(("Msgspec", "numpy", "pandas", "xgboost_cpu"), "xgboost")[1] == ()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "WARNING: odd\nERROR: Could not find a version\nERROR: No matching distribution found for six==99\n\n"
            "[notice] A new release of pip is available\n",
            "No matching distribution found for six==99",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because there is no six==99, no.\n",
            "Because there is no six==99, no",
        ),
        (
            "  × No solution found:\n  ╰─▶ Because there is no version of six==99, no way.\n",
            "Because there is no version of six==99, no way",
        ),
        ("", ""),
    ],
)
def test_an_installer_is_quoted_by_its_last_line(said: str, words: str) -> None:
    assert last_words(said) == words


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of a small package, and no index beside."""
    wheels = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        write_wheel(wheels, "fathoms", version, f"DEPTH = {version}\n")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "environments"


def depth(python: Path) -> str:
    """What a Python says of the package."""
    code = "import fathoms; print(fathoms.DEPTH)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.processes
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_environment_is_built_kept_by_what_came_of_it_and_built_again_where_it_is_missing(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    if tool == "pip":
        monkeypatch.setattr(environments, "_uv", lambda: None)
    made = make_environment(["fathoms<2"], shelf)
    assert made.packages == ("fathoms==1.0",)
    assert depth(interpreter(made, shelf)) == "1.0"
    other = make_environment(["fathoms"], shelf)
    assert (other.packages, other.digest != made.digest) == (("fathoms==2.0",), True)
    assert make_environment(["fathoms==1.0"], shelf) == made
    assert sorted(path.name for path in shelf.iterdir()) == sorted([made.digest, other.digest])
    elsewhere = shelf.parent / "another host"
    assert depth(interpreter(made, elsewhere)) == "1.0"
    assert sorted(path.name for path in elsewhere.iterdir()) == [".lock", made.digest]


@pytest.mark.processes
def test_many_who_find_it_missing_build_it_once(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_environment(["fathoms==2.0"], shelf)
    built: list[object] = []
    install = environments._install

    def counted(directory: Path, packages: tuple[str, ...], *, exactly: bool) -> None:
        built.append(directory)
        install(directory, packages, exactly=exactly)

    monkeypatch.setattr(environments, "_install", counted)
    elsewhere = shelf.parent / "another host"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: interpreter(made, elsewhere), range(4)))
    assert len(set(found)) == 1
    assert len(built) == 1


@pytest.mark.processes
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_what_cannot_be_built_quotes_the_installer_and_leaves_nothing(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    if tool == "pip":
        monkeypatch.setattr(environments, "_uv", lambda: None)
    with pytest.raises(BadInput) as caught:
        make_environment(["fathoms==99"], shelf)
    said = str(caught.value)
    assert said.startswith(f"the environment cannot be built ({tool}: ")
    assert "fathoms==99" in said
    assert "\n" not in said
    assert list(shelf.iterdir()) == []


def test_one_of_another_python_is_refused(shelf: Path) -> None:
    made = Environment(python="cpython-2.7", packages=("fathoms==1.0",), digest="d" * 64)
    with pytest.raises(BadInput, match=r"its environment is one of cpython-2\.7, and this is cpython-3"):
        interpreter(made, shelf)
