"""Collectives and cycles of short programs, with values worked out by hand."""
# ruff: noqa: E501  (the lines of programs are as long as the compiler writes them)

from __future__ import annotations

import pytest

from experiments.scaling_study import hlo
from experiments.scaling_study.hlo import Collective

# A loop of 8 turns around an all-gather, and an all-reduce of a tuple after it.
LOOP = """
HloModule jit_f, is_scheduled=true, entry_computation_layout={(bf16[8,64,1024]{2,1,0})->f32[]}

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[]{:T(128)} parameter(0)
  %y = f32[]{:T(128)} parameter(1)
  ROOT %sum = f32[]{:T(128)} add(%x, %y), backend_config={"estimated_cycles":"1"}
}

%turn (p: (s32[], bf16[64,1024])) -> (s32[], bf16[64,1024]) {
  %p = (s32[]{:T(128)}, bf16[64,1024]{1,0:T(8,128)(2,1)}) parameter(0)
  %part = bf16[64,1024]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%p), index=1
  %all = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} all-gather(%part), channel_id=3, replica_groups=mesh['data'=4,'model'=16] {'model'}, dimensions={0}
  ROOT %next = (s32[], bf16[64,1024]) fusion(%p, %all), kind=kOutput, calls=%body, backend_config={"estimated_cycles":"100"}
}

%body (a: bf16[64,1024]) -> bf16[64,1024] {
  ROOT %a = bf16[64,1024]{1,0} parameter(0)
}

%more (q: (s32[], bf16[64,1024])) -> pred[] {
  %bound = s32[]{:T(128)} constant(8)
  %q = (s32[], bf16[64,1024]) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%q), index=0
  ROOT %less = pred[]{:T(512)} compare(%i, %bound), direction=LT
}

ENTRY %main (w: bf16[8,64,1024]) -> f32[] {
  %w = bf16[8,64,1024]{2,1,0:T(8,128)(2,1)} parameter(0)
  %start = (s32[], bf16[64,1024]) fusion(%w), kind=kLoop, calls=%body, backend_config={"estimated_cycles":"7"}
  %end = (s32[], bf16[64,1024]) while(%start), condition=%more, body=%turn
  %m = f32[8,8,16]{2,1,0:T(8,128)S(1)} constant({...})
  %n = f32[16]{0:T(128)} constant({...})
  %sums = (f32[8,8,16]{2,1,0}, f32[16]{0}) all-reduce(%m, %n), channel_id=1, replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
  ROOT %done = f32[] get-tuple-element(%sums), index=1
}
"""


def test_loops_multiply_what_is_inside_them():
    costs = hlo.read(LOOP, devices=64)
    # bf16 64 x 1024 from each of 16; f32 (8 * 8 * 16 + 16) in groups of 4.
    assert costs.collectives == (
        Collective("all-reduce", 4 * (1024 + 16), 4, 1, 0),
        Collective("all-gather", 2 * 64 * 1024 * 16, 16, 8, 0),
    )
    assert costs.cycles_once == 7 + 100
    assert costs.cycles == 7 + 8 * 100  # the reducer's own cycle is no work of its own
    # Outside of it: what the first fusion and the all-reduce read and write.
    outside = (2 * 8 * 64 * 1024 + 4 + 2 * 64 * 1024) + 2 * 4 * (1024 + 16)
    assert costs.bytes_in_all(outside + 1000.0) == outside + 8 * 1000


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("{{0,1,2},{3,4,5}}", 3),
        ("[4,6]<=[24], dimensions={0}", 6),
        ("mesh['data'=4,'model'=16] {'model'}, dimensions={0}", 16),
        ("mesh['a'=1,'b'=4,'c'=2], device_ids=([4,2]T(1,0)) {'b','c'}, dimensions={1}", 8),
        ("mesh['a'=16] {'a':(2)4}, to_apply=%add", 4),
        ("{}, to_apply=%add", 64),
    ],
)
def test_groups_are_read_in_every_way_that_the_compiler_writes_them(groups, size):
    assert hlo._group(f"channel_id=1, replica_groups={groups}", 64) == size


def test_a_new_way_to_write_groups_is_not_guessed_at():
    with pytest.raises(ValueError, match="replica_groups=grid"):
        hlo._group("replica_groups=grid<4>, dimensions={0}", 64)


def test_an_annotated_trip_count_comes_first():
    loop = LOOP.replace("body=%turn", 'body=%turn, backend_config={"known_trip_count":{"n":"3"}}')
    assert hlo.read(loop, devices=64).cycles == 7 + 3 * 100


def test_work_between_start_and_done_hides_a_collective():
    text = """
ENTRY %main (w: f32[256]) -> f32[256] {
  %w = f32[256]{0} parameter(0)
  %before = f32[256]{0} fusion(%w), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"900"}
  %go = (f32[256]{0}, f32[128]{0}) reduce-scatter-start(%before), replica_groups=[128,2]<=[256], to_apply=%add
  %one = f32[256]{0} fusion(%w), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"30"}
  %two = f32[256]{0} fusion(%one), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"12"}
  %ready = f32[128]{0} reduce-scatter-done(%go)
  %after = f32[256]{0} fusion(%two), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"500"}
  ROOT %p = f32[256]{0} collective-permute(%after), source_target_pairs={{0,1},{1,0}}
}
"""
    assert hlo.read(text, devices=256).collectives == (
        Collective("reduce-scatter", 1024, 2, 1, 42),
        Collective("collective-permute", 1024, 256, 1, 0),
    )


def test_a_collective_in_an_asynchronous_computation_is_beside_what_its_caller_does():
    text = """
%wrapped (x: f32[4]) -> f32[16] {
  %x = f32[4]{0} parameter(0)
  ROOT %g = f32[16]{0} all-gather(%x), replica_groups={{0,1,2,3}}, dimensions={0}
}

ENTRY %main (w: f32[4]) -> f32[16] {
  %w = f32[4]{0} parameter(0)
  %s = ((f32[4]{0}), f32[16]{0}, u32[]) async-start(%w), calls=%wrapped
  %other = f32[4]{0} fusion(%w), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"5"}
  ROOT %d = f32[16]{0} async-done(%s)
}
"""
    assert hlo.read(text, devices=4).collectives == (Collective("all-gather", 64, 4, 1, 5),)


def test_a_collective_that_is_cut_into_fusions_runs_once():
    text = """
%begin (x: f32[4]) -> f32[16] {
  %x = f32[4]{0} parameter(0)
  ROOT %g = f32[16]{0} all-gather(%x), channel_id=7, replica_groups={{0,1,2,3}}, dimensions={0}
}

%async_collective_fusion.1 (x: f32[4]) -> f32[16] {
  %x = f32[4]{0} parameter(0)
  ROOT %g = f32[16]{0} all-gather(%x), channel_id=7, replica_groups={{0,1,2,3}}, dimensions={0}
}

%finish (x: f32[4]) -> f32[16] {
  %x = f32[4]{0} parameter(0)
  ROOT %g = f32[16]{0} all-gather(%x), channel_id=7, replica_groups={{0,1,2,3}}, dimensions={0}
}

%all-reduce-scatter.2 (x: f32[16]) -> f32[4] {
  %x = f32[16]{0} parameter(0)
  %r = f32[16]{0} all-reduce(%x), channel_id=1, replica_groups={{0,1,2,3}}, to_apply=%add
  ROOT %part = f32[4]{0} dynamic-slice(%r), dynamic_slice_sizes={4}
}

%turn (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %next = f32[16]{0} fusion(%p), kind=kOutput, calls=%async_collective_fusion.1, backend_config={"estimated_cycles":"50"}
}

ENTRY %main (w: f32[4]) -> f32[4] {
  %w = f32[4]{0} parameter(0)
  %async-collective-start = f32[16]{0} fusion(%w), kind=kCustom, calls=%begin
  %loop = f32[4]{0} while(%w), condition=%c, body=%turn, backend_config={"known_trip_count":{"n":"3"}}
  %other = f32[4]{0} fusion(%loop), kind=kLoop, calls=%c, backend_config={"estimated_cycles":"9"}
  %async-collective-done = f32[16]{0} fusion(%other), kind=kCustom, calls=%finish
  ROOT %sum = f32[4]{0} fusion(%async-collective-done), kind=kCustom, calls=%all-reduce-scatter.2
}
"""
    costs = hlo.read(text, devices=4)
    assert sorted(costs.collectives) == [
        Collective("all-gather", 64, 4, 1, 3 * 50 + 9),
        Collective("reduce-scatter", 64, 4, 1, 0),  # each device keeps a quarter of the sum
    ]


def test_a_program_without_collectives_has_none():
    assert hlo.read("ENTRY %main (w: f32[4]) -> f32[4] {\n}\n", devices=1).collectives == ()
