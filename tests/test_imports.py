from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import evalsuite

ROOT = Path(__file__).parent.parent
HEAVY = (
    "torch",
    "torchvision",
    "torchmetrics",
    "open_clip",
    "pandas",
    "matplotlib",
    "diffusers",
    "transformers",
    "PIL",
)
LIGHT_MODULES = (
    "evalsuite",
    "evalsuite.cli",
    "evalsuite.distilled",
    "evalsuite.errors",
    "evalsuite.options",
    "evalsuite.plan",
    "evalsuite.probe.quantities",
    "evalsuite.probe.spec",
    "evalsuite.probe_cli",
    "evalsuite.registry",
    "evalsuite.spec",
    "evalsuite.stats_cli",
    "evalsuite.listing",
    "evalsuite.config",
    "evalsuite.manifest",
    "evalsuite.model_source",
    "evalsuite.sampling",
    "evalsuite.share",
    "evalsuite.progress",
    "prompts",
    "backbones",
    "reports",
)


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top, inside a function or by name; not under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_module":
            yield from (str(name.value) for name in node.args if isinstance(name, ast.Constant))
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def violations(files: Iterator[Path] | list[Path], *forbidden: str) -> list[str]:
    found = list(files)
    assert found, "no files: the rule would hold for nothing"
    return [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in found
        for module in imports_of(path)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


def python_in(*folders: str) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def run_python(code: str, environment: Mapping[str, str], cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_import_nothing_heavy(module: str, environment: Mapping[str, str], tmp_path: Path):
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code, environment, tmp_path).strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["run", "--help"],
        ["sweep", "--help"],
        ["--version"],
        ["list", "models"],
        ["list", "metrics"],
        ["list", "prompts"],
        ["show", "dit"],
        ["show", "fid"],
        ["show", "smoke"],
    ],
)
def test_commands_that_only_tell_import_nothing_heavy(
    command: list[str], environment: Mapping[str, str], tmp_path: Path
):
    code = (
        "import sys, contextlib, io\nfrom evalsuite.cli import main\n"
        f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    main({command!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run_python(code, environment, tmp_path).strip() == "[]"


def test_backbones_is_a_leaf():
    assert violations(python_in("backbones"), "evalsuite", "prompts", "reports") == []


def test_prompts_is_standard_library_only():
    known = sys.stdlib_module_names | {"prompts"}
    outside = [m for path in python_in("prompts") for m in imports_of(path) if m.split(".")[0] not in known]
    assert outside == []


def test_reports_has_no_torch_and_no_evalsuite():
    assert violations(python_in("reports"), "torch", "torchvision", "evalsuite", "backbones", "prompts") == []


def test_metrics_know_nothing_of_how_images_are_made():
    forbidden = ("backbones", "evalsuite.generate", "evalsuite.cli")
    assert violations(python_in("evalsuite/metrics"), *forbidden) == []


def test_generating_knows_nothing_of_metrics():
    names = ("generate", "painter", "team", "share", "writer", "store", "trace", "models", "plan")
    files = [ROOT / "evalsuite" / f"{name}.py" for name in names]
    assert violations(files, "evalsuite.metrics", "evalsuite.score", "evalsuite.encoders") == []


def test_nothing_imports_the_command_line():
    files = [path for path in python_in("evalsuite", "backbones", "prompts", "reports") if path.name != "__main__.py"]
    assert violations(files, "evalsuite.cli") == []


def test_training_is_never_imported_by_the_product():
    files = [p for p in python_in("evalsuite", "backbones", "prompts", "reports") if "training" not in p.parts]
    assert violations(files, "backbones.training", "evalsuite.encoders.training", "evalsuite.aspects.training") == []


@pytest.mark.parametrize("package", ["diffusers", "hpsv2", "transformers"])
def test_an_optional_package_is_imported_in_one_file_at_most(package: str):
    files = {line.split()[0] for line in violations(python_in("evalsuite", "backbones", "reports"), package)}
    assert len(files) <= 1


def test_the_public_names_are_those_listed_and_all_exist():
    for name in evalsuite.__all__:
        assert getattr(evalsuite, name) is not None
    assert dir(evalsuite) == sorted(evalsuite.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        evalsuite.nonsense  # noqa: B018


def test_a_plugin_is_listed_without_being_imported_and_imported_when_named(
    environment: Mapping[str, str], tmp_path: Path
):
    package = tmp_path / "site"
    (package / "plugin-1.0.dist-info").mkdir(parents=True)
    (package / "plugin-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (package / "plugin-1.0.dist-info" / "entry_points.txt").write_text(
        "[evalsuite.backbones]\nmine = plugin_code:make\ndit = plugin_code:make\n"
    )
    (package / "plugin_code.py").write_text("open('canary', 'w').close()\nfrom tiny_models import conv as make\n")
    surroundings = {**environment, "PYTHONPATH": f"{package}:{environment['PYTHONPATH']}"}
    listing = "from evalsuite.cli import main; main(['list', 'models'])"
    assert "plugin_code:make" in run_python(listing, surroundings, tmp_path)
    assert not (tmp_path / "canary").exists()
    resolving = "from evalsuite.models import resolve; print(resolve('mine').name)"
    assert run_python(resolving, surroundings, tmp_path) == "conv\n"
    assert (tmp_path / "canary").exists()
    ours = "from evalsuite.registry import MODELS; print(MODELS.target('dit'))"
    assert run_python(ours, surroundings, tmp_path) == "backbones.bundled:dit\n"
