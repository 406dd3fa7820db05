from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import pytest

from evalsuite import generate_images, launch
from evalsuite.claims import Claims
from evalsuite.errors import InputError
from evalsuite.lock import FolderLock
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf, prepare
from evalsuite.share import Share
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from evalsuite.team import Team

RESULTS = ("results.json", "scores.csv", "report.md")


def words(command: str, spec: RunSpec) -> list[str]:
    found = ["-m", "evalsuite", command, "--format", "json", "--model", spec.models[0], "--prompts", spec.prompts]
    found += ["--aspects", ",".join(spec.aspects), "--metrics", ",".join(spec.metrics)]
    for name in ("pixels", "steps", "batch_size", "threads", "device", "output_dir"):
        found += [f"--{name.replace('_', '-')}", str(getattr(spec, name))]
    return found


def digest(folder: Path) -> dict[str, object]:
    """Every image, and every number; not the time that each took."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.glob("images/*/*.png")}
    for path in folder.glob("records/*.json"):
        record = json.loads(path.read_bytes())
        found[path.name] = {key: value for key, value in record.items() if key not in ("seconds", "sha256")}
    return found | {name: (folder / name).read_bytes() for name in RESULTS if (folder / name).exists()}


def moved(spec: RunSpec, folder: Path) -> RunSpec:
    return RunSpec(**{**spec.to_json(), "output_dir": str(folder)})


def begun(arguments: Sequence[str], environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def slow(tiny: Callable[..., RunSpec]) -> RunSpec:
    """16 units of a fifth of a second or more."""
    return tiny(prompts=16, models=("tiny_models:slow",), batch_size=2, steps=4)


@pytest.fixture
def whole(slow: RunSpec, tmp_path: Path) -> dict[str, object]:
    """What one process makes of the slow run."""
    folder = tmp_path / "whole"
    make(moved(slow, folder), scored=True)
    return digest(folder)


def test_two_processes_of_torchrun_make_what_one_makes(
    slow: RunSpec, whole: dict[str, object], environment: Mapping[str, str], tmp_path: Path
):
    command = launch.torchrun(2, words("run", slow)[2:])[1:]
    process = begun(command, environment, tmp_path)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert json.loads(out)["rows"], "the first process prints, once"
    assert "process 1 of 2" in err
    assert "process 2 of 2" not in err
    assert digest(Path(slow.output_dir)) == whole


def test_a_killed_process_starts_again_and_the_result_is_the_same(
    slow: RunSpec, whole: dict[str, object], environment: Mapping[str, str], tmp_path: Path
):
    folder = Path(slow.output_dir)
    process = begun(launch.torchrun(2, words("run", slow)[2:], restarts=5)[1:], environment, tmp_path)
    for seen in (2, 6):
        wait_for(lambda seen=seen: len(list(folder.glob("records/*.json"))) >= seen, process)
        workers = [int(line) for line in _children(process.pid) if line]
        os.kill(workers[-1], signal.SIGKILL)
        wait_for(lambda workers=workers: workers[-1] not in map(int, _children(process.pid)), process)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert digest(folder) == whole


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def test_where_one_of_two_tasks_of_srun_dies_the_other_makes_its_part(
    slow: RunSpec, whole: dict[str, object], environment: Mapping[str, str], tmp_path: Path
):
    folder = Path(slow.output_dir)
    step = {**environment, "SLURM_STEP_NUM_TASKS": "2"}
    second = begun(words("run", slow), {**step, "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}, tmp_path)
    wait_for(lambda: len(list(folder.glob("records/*.json"))) >= 2, second)
    second.kill()
    second.communicate()
    first = begun(words("run", slow), {**step, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, tmp_path)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert digest(folder) == whole


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_shards_in_any_order_make_what_one_process_makes_and_the_last_one_scores(
    slow: RunSpec, whole: dict[str, object], order: tuple[int, ...]
):
    outcomes = [make(slow, scored=True, share=Share(number - 1, 3, shard=True)) for number in order]
    assert [outcome.rows is not None for outcome in outcomes] == [False, False, True]
    assert [outcome.missing for outcome in outcomes] == [0, 0, 0]
    assert digest(Path(slow.output_dir)) == whole


def test_shards_make_their_own_part_and_no_more(slow: RunSpec):
    make(slow, scored=True, share=Share(0, 4, shard=True))
    with RunStore.open(Path(slow.output_dir)) as store:
        assert len(store.pending()) == 12


def test_shards_with_folders_of_their_own_are_put_together(slow: RunSpec, whole: dict[str, object], tmp_path: Path):
    together = tmp_path / "together"
    for rank in range(2):
        folder = tmp_path / f"shard-{rank}"
        make(moved(slow, folder), scored=True, share=Share(rank, 2, shard=True))
        subprocess.run(["cp", "-r", f"{folder}/.", str(together)], check=True)
    make(moved(slow, together), scored=True)
    assert digest(together) == whole


def test_a_damaged_record_is_made_again_by_one_of_the_team(tiny: Callable[..., RunSpec]):
    spec = tiny()
    folder = generate_images(spec)
    before = digest(folder)
    victim = sorted(folder.glob("records/*.json"))[0]
    victim.write_bytes(b"{}")
    outcome = make(spec, scored=False, share=Share(0, 2))
    assert (outcome.missing, outcome.speaks) == (0, True)
    assert digest(folder) == before


def test_a_unit_is_handed_to_one_process_alone(tiny: Callable[..., RunSpec], tmp_path: Path):
    """Two members in one process would share its record locks; so the second one is a process of its own."""
    manifest = prepare(tiny(prompts=9), Shelf())
    folder = tmp_path / "shared"
    with RunStore.create(folder, manifest, team=True) as store, Claims(folder) as claims:
        team = Team(store, Share(0, 2), store.pending(), claims)
        taken = list(islice(team.take(store.pending()), 2))
        code = (
            "import sys, json\nfrom pathlib import Path\nfrom evalsuite.claims import Claims\n"
            "from evalsuite.share import Share\nfrom evalsuite.store import RunStore\nfrom evalsuite.team import Team\n"
            "from evalsuite.manifest import Manifest\nfolder = Path(sys.argv[1])\n"
            "manifest = Manifest.from_json((folder / 'run.json').read_bytes(), 'run.json')\n"
            "with RunStore.create(folder, manifest, team=True) as store, Claims(folder) as claims:\n"
            "    team = Team(store, Share(1, 2), store.pending(), claims)\n"
            "    print(json.dumps([unit.key for unit in team.take(store.pending())]))\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        others = json.loads(done.stdout)
        assert not {unit.key for unit in taken} & set(others)
        assert len(taken) + len(others) == len(manifest.units)
        rest = [unit.key for unit in team.take(store.pending())]
        assert set(rest) == set(others), "a process that has ended holds nothing"


def test_a_team_shares_the_folder_and_a_single_process_is_turned_away(tmp_path: Path):
    first = FolderLock(tmp_path, team=True)
    assert first.alone
    first.share()
    second = FolderLock(tmp_path, team=True)
    assert not second.alone
    with pytest.raises(InputError, match="is in use by pid"):
        FolderLock(tmp_path)
    first.release()
    second.release()
    FolderLock(tmp_path).release()


def test_a_team_is_turned_away_from_a_single_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evalsuite.lock.PATIENCE", 0.1)
    with FolderLock(tmp_path), pytest.raises(InputError, match="is in use by pid"):
        FolderLock(tmp_path, team=True)


def test_what_another_process_is_writing_is_not_swept_away(tiny: Callable[..., RunSpec], tmp_path: Path):
    manifest = prepare(tiny(), Shelf())
    with RunStore.create(tmp_path / "run", manifest, team=True) as store:
        writing = store.folder / "records" / ".tmp-1-a.json"
        writing.write_bytes(b"half")
        RunStore.create(tmp_path / "run", manifest, team=True).close()
        assert writing.exists()
    RunStore.create(tmp_path / "run", manifest, team=True).close()
    assert not writing.exists()


@pytest.mark.parametrize(
    "arguments", [["run", "--gpus", "2", "--steps", "4"], ["run", "--gpus=2", "--steps", "4"], ["run", "--steps", "4"]]
)
def test_torchrun_gets_the_same_command_without_the_option_that_started_it(arguments: list[str]):
    command = launch.torchrun(2, arguments)
    assert command[-4:] == ["evalsuite", "run", "--steps", "4"]
    assert command[:3] == [sys.executable, "-m", "torch.distributed.run"]


@pytest.mark.parametrize(
    ("arguments", "more", "complaint"),
    [
        (["--gpus", "999"], {}, "this machine has"),
        (["--gpus", "1"], {"RANK": "0", "WORLD_SIZE": "1"}, "a launcher has started this process already"),
        (["--shard", "3/2"], {}, "write i/n"),
        (["--shard", "array"], {}, "SLURM_ARRAY_TASK_ID is not set"),
        ([], {"RANK": "5", "WORLD_SIZE": "2"}, "contradicts itself"),
    ],
)
def test_a_share_that_cannot_be_is_one_line(
    slow: RunSpec,
    arguments: list[str],
    more: dict[str, str],
    complaint: str,
    environment: Mapping[str, str],
    tmp_path: Path,
):
    process = begun([*words("run", slow), *arguments], {**environment, **more}, tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert complaint in err
    assert not Path(slow.output_dir).exists()
