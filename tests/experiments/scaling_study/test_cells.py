"""What a study consists of, and what it refuses."""

from __future__ import annotations

import json
import threading

import pytest

from experiments import scaling
from experiments.scaling_study import cells, ladder, outcome, runner, topology
from experiments.scaling_study.cells import Cell
from pnag_jax import spaces
from pnag_jax.errors import UsageError
from pnag_jax.training.workdir import Workdir

POD = topology.parse("v5e:4x4")
BATCHES = {name: 64 for name in ("stage1", "prior", "surrogate", "generation", "prior_sampling")}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: topology.parse("v5e:3x3"),
            "v5e:3x3: there is no such slice; .* v5e:1x1",
        ),
        (lambda: topology.parse("v9:2x2"), "v4:2x2x1"),
        (lambda: topology.parse("v5e"), "v5e:16x16"),
        (lambda: cells.check_divides("batch", 100, [16]), "--batch=100: 16 devices.*112 would do"),
        (lambda: scaling.parse_mesh("8x4", POD), "--mesh=8x4: larger than the 16 devices"),
        (lambda: scaling.parse_mesh("2x2", POD), "--mesh=2x2: smaller than the 16 devices"),
        (lambda: scaling.parse_mesh("0x16", POD), "accepted is <data>x<model>"),
    ],
)
def test_refusals_name_the_value_and_what_is_accepted(call, words):
    with pytest.raises(UsageError, match=words):
        call()


def test_a_libtpu_that_is_missing_or_too_old_is_one_line(monkeypatch):
    def version(name):
        return {"libtpu": "0.0.9"}[name]

    monkeypatch.setattr(topology.importlib, "import_module", lambda name: None)
    monkeypatch.setattr(topology.importlib.metadata, "version", version)
    monkeypatch.setattr(topology, "wanted_version", lambda: "0.0.42")
    with pytest.raises(UsageError, match=r"libtpu 0\.0\.9 is too old; JAX .* takes 0\.0\.42"):
        topology.library_version()

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(topology.importlib, "import_module", missing)
    with pytest.raises(UsageError, match="not installed; pip install"):
        topology.library_version()


def test_jax_names_a_release_of_libtpu():
    assert topology._numbers(topology.wanted_version() or "") > (0,)


def test_every_program_is_compiled_for_one_chip_and_for_all():
    found = cells.compiled(POD, BATCHES)
    weak = {(c.program, c.strategy) for c in found if c.study == "weak" and c.devices == 16}
    compared = ("stage1", "prior", "generation")
    assert weak == {(name, "mesh") for name in BATCHES} | {(name, "pmap") for name in compared}
    alone = [(c.program, c.strategy) for c in found if c.devices == 1]
    trained = {("stage1", "pmap"), ("prior", "pmap")}
    assert set(alone) == {(name, "mesh") for name in BATCHES} | trained
    assert len(alone) == len(set(alone))
    strong = {(c.program, c.each) for c in found if c.study == "strong"}
    assert strong == {("stage1", 64 // 16), ("prior", 64 // 16)}


def test_what_trains_is_measured_in_both_studies():
    found = cells.measured([1, 2], {**BATCHES, "population": 4})
    weak = {(c.program, c.devices, c.each) for c in found if c.study == "weak"}
    assert {("population", 1, 4), ("population", 2, 4), ("prior", 2, 64)} < weak
    assert {c.strategy for c in found if c.program == "population"} == {"pmap"}
    strong = {(c.program, c.devices, c.each) for c in found if c.study == "strong"}
    trained = {(name, 2, 32) for name in ("stage1", "prior", "surrogate")}
    assert strong == trained | {("population", 2, 2)}


def test_measurements_that_tell_of_the_mechanism_are_made_once_a_program():
    found = cells.measured([1, 2], BATCHES, compared=False)
    for study in ("weak", "strong"):
        once = [(c.program, c.devices) for c in found if c.study == study]
        assert len(once) == len(set(once))
    assert {c.program for c in found if c.study == "weak"} == set(BATCHES)


def test_quick_cells_come_last():
    wanted = cells.compiled(POD, BATCHES) + cells.ladder(POD, (4, 4), 8)
    found = cells.longest_first(wanted)
    assert sorted(found) == sorted(wanted)
    assert [c.program for c in found[:3]] == ["1B", "1B", "100M"]
    # Of a share of the batch: the compiler unrolls less.
    assert [c.study == "strong" for c in found] == sorted(c.study == "strong" for c in wanted)


def test_rungs_begin_on_one_chip_by_every_strategy_that_places_them_on_all():
    found = cells.ladder(POD, (4, 4), 8)
    alone = [(c.program, c.strategy) for c in found if c.devices == 1]
    assert alone == [
        ("1M", "mesh"),
        ("10M", "mesh"),
        ("100M", "mesh"),
        ("100M", "pmap"),
        ("1B", "mesh"),
    ]


def test_the_mesh_of_a_ladder_keeps_the_batch_a_chip():
    split = [c for c in cells.ladder(POD, (4, 4), 8) if c.study == "split"]
    assert all(c.strategy == "mesh" for c in split)
    assert [(c.program, c.devices, c.each, c.model) for c in split] == [("1B", 16, 8, 4)]
    own = {(c.program, c.each) for c in cells.ladder(POD, (4, 4))}
    assert own == {(rung.name, rung.each) for rung in ladder.RUNGS}


@pytest.mark.parametrize(("name", "about"), [("1M", 1e6), ("10M", 1e7), ("100M", 1e8), ("1B", 1e9)])
def test_rungs_have_the_size_in_their_names(name, about):
    rung = next(rung for rung in ladder.RUNGS if rung.name == name)
    work = ladder.training(rung, spaces.get("nb201"))
    assert ladder.count_parameters(work) == pytest.approx(about, rel=0.03)


def test_only_cells_without_a_result_are_worked_off(tmp_path, monkeypatch):
    done, faulty, crashing, last = (
        Cell("compiled", "weak", "stage1", "mesh", n, 8) for n in (1, 2, 4, 8)
    )
    calls = []

    def process(module, workdir, name, job, environment):
        """Fails at one cell: the first time its process dies of it."""
        calls.append([cell["devices"] for cell in job["cells"]])
        for cell in map(cells.from_json, job["cells"]):
            assert runner.claim(job, cell)
            if cell.devices == 4:
                return 1, "Check failed"
            workdir.write_json(f"cells/{cell.name}.json", {"flops": 1.0})
        return 0, ""

    monkeypatch.setattr(runner, "_process", process)
    with Workdir(tmp_path, program="study", config={}) as workdir:
        workdir.write_json(f"cells/{done.name}.json", {"flops": 2.0})
        workdir.write_json(f"cells/{faulty.name}.json", {"fault": "of an earlier run"})
        runner.run(workdir, [done, faulty, crashing, last], {}, environment={}, processes=1)
        found = [runner.result(workdir, cell) for cell in (done, faulty, crashing, last)]
    assert calls == [[2, 4, 8], [8]]
    assert found == [{"flops": 2.0}, {"flops": 1.0}, {"fault": "Check failed"}, {"flops": 1.0}]


def test_workers_side_by_side_share_the_cells(tmp_path, monkeypatch):
    wanted = [Cell("compiled", "weak", "stage1", "mesh", n, 8) for n in range(1, 9)]
    both = threading.Barrier(2)
    taken = []

    def process(module, workdir, name, job, environment):
        both.wait(timeout=30)
        for cell in map(cells.from_json, job["cells"]):
            if runner.claim(job, cell):
                taken.append(cell)
                workdir.write_json(f"cells/{cell.name}.json", {"flops": 1.0})
        return 0, ""

    monkeypatch.setattr(runner, "_process", process)
    with Workdir(tmp_path, program="study", config={}) as workdir:
        runner.run(workdir, wanted, {}, environment={}, processes=2)
    assert sorted(taken) == wanted


def test_cells_that_no_process_reaches_are_faults(tmp_path, monkeypatch):
    wanted = [Cell("compiled", "weak", "stage1", "mesh", n, 8) for n in (1, 2)]
    monkeypatch.setattr(runner, "_process", lambda *args: (1, "no such module"))
    with Workdir(tmp_path, program="study", config={}) as workdir:
        runner.run(workdir, wanted, {}, environment={}, processes=1)
        found = [runner.result(workdir, cell) for cell in wanted]
    assert found == [{"fault": "no such module"}] * 2


def results():
    """Two cells that were compiled, one that was not and one that was measured."""
    exchanged = {"kind": "all-reduce", "bytes": 1e6, "group": 16, "times": 1, "hidden": 0}

    def compiled(step, collectives, exposed=0.0):
        parts = ("compute", "memory", "communication", "exposed")
        return {
            "flops": 197e9,
            "bytes": 1.0,
            "memory": {"total": 1e9},
            "fits": True,
            "collectives": collectives,
            "prediction": {**dict.fromkeys(parts, 0.0), "exposed": exposed, "step": step},
            "compiler_seconds": 2e-3,
        }

    found = [
        (Cell("compiled", "weak", "stage1", "mesh", 1, 64), compiled(1e-3, [])),
        (Cell("compiled", "weak", "stage1", "pmap", 16, 64), compiled(1.25e-3, [exchanged])),
        (Cell("compiled", "weak", "stage1", "mesh", 16, 64), compiled(1.25e-3, [exchanged], 25e-5)),
        (Cell("compiled", "strong", "stage1", "mesh", 16, 4), compiled(1.25e-4, [exchanged])),
        (Cell("ladder", "one chip", "1B", "mesh", 1, 8), {"fault": "Check failed"}),
    ]
    return outcome.gather(
        found, POD, environment={}, config={"space": "nb201"}, arguments=["python"]
    )


def test_efficiency_is_that_of_one_device_of_the_same_program():
    rows = results()["cells"]
    assert [row["efficiency"] for row in rows] == [1.0, 0.8, 0.8, pytest.approx(0.5), None]
    # 2 ms without and 2.25 ms with what is exchanged.
    assert rows[2]["compiler_efficiency"] == pytest.approx(2 / 2.25)


def test_each_strategy_is_compared_with_its_own_step_on_one_device():
    def compiled(step):
        return {"prediction": {"step": step, "exposed": 0.0}, "compiler_seconds": step}

    steps = {("mesh", 1): 1.0, ("pmap", 1): 2.0, ("mesh", 16): 4.0, ("pmap", 16): 4.0}
    rows = [
        {**Cell("compiled", "weak", "stage1", strategy, devices, 64)._asdict(), **compiled(step)}
        for (strategy, devices), step in steps.items()
    ]
    assert [outcome._efficiency(row, rows, outcome._time) for row in rows] == [1, 1, 0.25, 0.5]


def test_the_least_batch_follows_from_two_compiled_ones():
    # 0.125 ms of work at 4 a chip, 1 ms at 64: 9 x 0.25 ms are wanted.
    expected = 4 + (9 * 0.25 - 0.125) / ((1 - 0.125) / 60)
    assert results()["least_batch"] == {"stage1": -(-expected // 1)}


def test_the_curve_is_predicted_for_every_slice_up_to_the_whole():
    curve, _ = results()["curves"]
    assert curve["chips"] == [1, 4, 8, 16]  # no slice has two chips
    assert curve["efficiency"][0] == 1.0
    # 1 ms of operations; 2 MB 15 / 16 over two open axes, 6 hops there and back.
    assert curve["efficiency"][-1] == pytest.approx(
        1e-3 / (1e-3 + 2e6 * 15 / 16 / 100e9 + 12e-6), rel=1e-6
    )


def test_files_and_page_hold_every_cell(tmp_path):
    with Workdir(tmp_path, program="study", config={}) as workdir:
        outcome.write(workdir, results())
    saved = json.loads((tmp_path / "scaling.json").read_text())
    assert len(saved["cells"]) == 5
    lines = (tmp_path / "scaling.csv").read_text().splitlines()
    assert len(lines) == 6
    assert "Check failed" in lines[5]
    html = (tmp_path / "report.html").read_text()
    assert "Predicted scaling" in html
    assert "not compiled: Check failed" in html
    assert "Measured scaling" not in html
    assert (tmp_path / "plots" / "predicted_weak.png").stat().st_size > 1000
    assert "80.0%" in outcome.as_text(results())
