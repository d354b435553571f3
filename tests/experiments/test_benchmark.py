"""The benchmark's file, its counts, and its comparison; no time is judged here."""

from __future__ import annotations

import copy
import json
import pathlib

import jax
import numpy as np
import pytest
from absl import flags

from experiments import benchmark
from experiments.bench import costs, generators, machine, report, suite, timing
from experiments.bench.costs import Work
from experiments.bench.machine import Peaks
from experiments.bench.timing import Effort
from pnag_jax import spaces
from pnag_jax.errors import DataError, UsageError
from pnag_jax.generation import Generator, counts, folding
from pnag_jax.models import stage1
from pnag_jax.training import files

EFFORT = Effort(repeats=7, seconds=0.0)
SIZES = machine.Sizes(matmul=32, triad=4096)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """Of an untrained quantizer and made-up codes: the tables have the same form."""
    space = spaces.get("gnn")
    model = stage1.Stage1(space=space, channels=4, num_codes=16, width=16, hidden=16)
    genotypes = np.asarray(space.sample(jax.random.key(0), 200))
    variables = stage1.init(jax.random.key(1), model)
    # Codes that repeat earlier ones, as fine codes do: they get parents.
    positions = len(stage1.upper_positions(model.scales))
    codes = np.resize(genotypes.T, (positions, len(genotypes))).T % model.num_codes
    counted = counts.fit(codes, model.num_codes, max_parents=1)
    decoder = folding.fold(model, variables)
    return Generator(model, variables, counted, decoder, genotypes, codes)


@pytest.fixture(scope="module")
def measured(generator) -> dict:
    found = suite.run(
        generator,
        batches=(),
        method_names=("random",),
        effort=EFFORT,
        seeds=2,
        budget=16,
        sizes=SIZES,
    )
    head = {
        "version": report.VERSION,
        "program": report.PROGRAM,
        "environment": {"device_count": 1, "device_kind": "cpu", "backend": "cpu"},
        "comparison": None,
        "circumstances": None,
    }
    return json.loads(json.dumps(files.plain({**head, **found}), allow_nan=False))


def test_every_measurement_has_times_rates_and_a_share(measured):
    entries = report.entries(measured)
    assert list(entries) == [
        *("machine matmul", "machine triad", "machine word gather", "machine row gather"),
        "generation of 1",
        *("training step, pmap", "training step, mesh"),
        *("training step, one a dispatch", "training step of the prior, pmap"),
        "search round, random",
    ]
    for name, entry in entries.items():
        seconds, rate = entry["seconds"], entry["rate"]
        assert 0 < seconds["q1"] <= seconds["median"] <= seconds["q3"], name
        assert seconds["repeats"] == 7 and seconds["calls"] >= 1
        assert 0 < rate["q1"] <= rate["median"] <= rate["q3"], name
        if not name.startswith("machine"):
            shares = entry["roofline"]["shares"]
            assert entry["roofline"]["share"] == max(v for v in shares.values() if v is not None)
            assert entry["roofline"]["share"] > 0
    assert measured["training"][0]["xla"]["flops"] > 0
    assert measured["search"][0]["ask_seconds"]["median"] > 0
    assert measured["generation"]["counted"]["xla"]["flops"] > 0
    assert measured["targets"] == []  # nothing is promised for gnn


def test_draws_are_counted_from_the_contexts(generator):
    # 0 and 1 are free, 2 follows from 0, 3 from 0 and 2, 4 is free.
    contexts = [(), (), (0,), (0, 2), ()]
    layouts = tuple(counts.Layout(parents, parents, 0, 0, 0) for parents in contexts)
    model = generator.counts.replace(layouts=layouts)
    assert costs.positions_and_parents(model, frozenset({4})) == (1, 0)
    assert costs.positions_and_parents(model, frozenset({2})) == (2, 1)
    assert costs.positions_and_parents(model, frozenset({3, 4})) == (4, 3)


def test_an_architecture_is_counted_from_the_tables(generator):
    counted = costs.of_generation(generator)
    assert counted["parents"] > 0 and counted["hidden"] == 16
    assert counted["words"] == counted["parents"] + counted["positions"]
    assert counted["rows"] == len(generator.read)
    assert counted["bytes_read"] == 4 * (counted["words"] + 16 * counted["rows"])
    assert counted["bytes_written"] == 4 * 5  # five genes
    # The second layer alone is a product of 16 by N (F + N), here 6 and 11.
    assert generator.decoder.kernel.shape == (16, 6 * (11 + 6))
    least = 2 * 16 * 6 * 17 + 16 * counted["rows"]
    assert counted["flops"] > least + counted["draw_flops"] + counted["decode_flops"]


def test_the_roofline_is_that_of_the_scarcest_resource():
    peaks = Peaks(flops=100.0, bytes=1000.0, words=40.0, rows=10.0)
    # 10 / 100, 100 / 1000 and 4 / 40 + 2 / 10 seconds, of 2 seconds each.
    found = costs.roofline(Work(flops=10.0, bytes=100.0, words=4.0, rows=2.0), peaks, 2.0)
    assert found["limit"] == "gathers"
    assert found["share"] == pytest.approx(0.15)
    assert found["shares"]["flops"] == pytest.approx(0.05)
    unknown = costs.roofline(Work(flops=None, bytes=500.0), peaks, 1.0)
    assert unknown["limit"] == "bytes" and unknown["shares"]["flops"] is None


def test_times_become_medians_and_rates():
    timed = timing.summarize([4.0, 2.0, 1.0, 3.0, 5.0], calls=3)
    assert timed == (3.0, 2.0, 4.0, 5, 3)
    entry = timing.entry("x", timed, 12.0, "step", more=1)
    assert entry["rate"] == {"unit": "step/s", "median": 4.0, "q1": 3.0, "q3": 6.0}
    assert entry["more"] == 1


def test_the_first_call_is_not_among_the_repeats():
    calls = []
    timed = timing.measure(lambda: calls.append(1), Effort(repeats=7, seconds=0.0))
    assert timed.repeats == 7 and timed.calls == 1
    assert len(calls) == 9


def test_targets_are_measured_against_promised():
    def speed(batch, seconds):
        timed = timing.summarize([seconds] * 7)
        return timing.entry(f"generation of {batch}", timed, batch, "architecture", batch=batch)

    one, many = suite.targets("nb201", {"speeds": [speed(1, 1e-4), speed(1000, 2e-3)]})
    assert one["met"] and one["measured"] == 1e-4
    assert not many["met"] and many["measured"] == pytest.approx(500_000)
    assert suite.targets("nb201", None) == []


def scaled(results: dict, name: str, factor: float) -> dict:
    changed = copy.deepcopy(results)
    rate = report.entries(changed)[name]["rate"]
    for key in ("median", "q1", "q3"):
        rate[key] *= factor
    return changed


def test_a_comparison_tells_faster_from_slower(measured):
    names = ["generation of 1", "training step, pmap", "training step, mesh"]
    new = scaled(scaled(measured, names[0], 100.0), names[1], 0.01)
    rows = {row["name"]: row for row in report.compare(measured, new)}
    assert [rows[name]["verdict"] for name in names] == ["faster", "slower", "same"]
    assert rows[names[0]]["ratio"] == pytest.approx(100.0)
    del new["search"]
    assert "search round, random" not in {row["name"] for row in report.compare(measured, new)}
    assert rows[names[2]]["old_quartiles"] == rows[names[2]]["new_quartiles"]
    elsewhere = {**new, "cores": 96, "environment": new["environment"] | {"backend": "gpu"}}
    around = report.circumstances(measured, elsewhere)
    assert around == {"backend": ["cpu", "gpu"], "cores": [measured["cores"], 96]}
    text = report.as_text({**measured, "comparison": list(rows.values()), "circumstances": around})
    assert "then backend cpu, now gpu" in text
    line = next(line for line in text.splitlines() if line.endswith("faster"))
    assert "100.00" in line
    assert "bytes read" in text


def test_the_file_of_an_earlier_run_is_read_back(measured, tmp_path):
    path = tmp_path / "old.json"
    files.write_json(path, measured)
    assert report.read(path) == measured
    for damaged in ("{", json.dumps({**measured, "machine": [{"name": "x"}]})):
        path.write_text(damaged)
        with pytest.raises(DataError, match=r"old\.json"):
            report.read(path)
    for other in ({"program": "experiments.nb201"}, {**measured, "version": 99}, []):
        path.write_text(json.dumps(other))
        with pytest.raises(UsageError, match=r"--against=.*old\.json.*accepted is"):
            report.read(path)
    with pytest.raises(UsageError, match=r"--against=.*No such file"):
        report.read(tmp_path / "absent.json")


def run_main(*words: str) -> None:
    values = flags.FlagValues()
    benchmark.define_flags(values)
    values(["benchmark", *words])
    benchmark.main(values)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--space=nb301"], "--space=nb301: accepted are .*gnn, .*nb201"),
        (["--parts=generation,fun"], "--parts=generation,fun: accepted are generation, training"),
        (["--parts="], "--parts=: accepted are"),
        (["--batches=0"], "--batches: '0'; accepted are"),
        (["--batches=1e3"], "--batches: '1e3'; accepted are"),
        (["--methods=simulated"], "--methods=simulated: accepted are evolution"),
        (["--repeats=3"], "--repeats=3: accepted are 7 and more"),
        (["--against=absent.json"], "--against=absent.json: cannot read"),
        (["--generator_workdir=absent"], "--generator_workdir=absent: accepted is"),
        (["--json=absent/new.json"], "--json=absent/new.json: accepted is"),
    ],
)
def test_bad_input_names_flag_value_and_accepted(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run_main("--json=new.json", *words)
    assert not pathlib.Path("new.json").exists()


def test_a_run_of_another_program_has_no_generator_for_us(tmp_path):
    (tmp_path / "config.json").write_text('{"program": "experiments.compare", "config": {}}')
    with pytest.raises(UsageError, match=r"folder of a run of experiments\.macro"):
        generators.restore(spaces.get("macro"), tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json"):
        generators.restore(spaces.get("macro"), tmp_path)


def test_the_program_writes_its_file_and_compares(
    generator, measured, tmp_path, monkeypatch, capsys
):
    source = {"space": "gnn", "workdir": None, "epochs": 1}
    monkeypatch.setattr(generators, "train", lambda key, space, epochs: (generator, source))
    monkeypatch.setattr(machine, "Sizes", lambda: SIZES)
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    files.write_json(old, measured)
    run_main(
        *(f"--json={new}", f"--compare={old}", "--space=gnn", "--seconds=0"),
        *("--parts=search", "--methods=random", "--seeds=2", "--budget=16"),
    )
    results = report.read(new)
    assert results["generator"] == source
    assert results["environment"]["backend"] == "cpu"
    assert results["generation"] is None and results["training"] is None
    assert [row["name"] for row in results["comparison"]][-1] == "search round, random"
    text = capsys.readouterr().out
    assert "against the earlier run" in text and "machine triad" in text
