"""The cube kernel against enumeration of every cell, and against z3."""

import itertools
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import space
from gateway.policy.space import Budget, Exhausted, Variable, intersect, merge, point, remainder, size, witness

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
TIMES = 5_000 if FULL else 150
Z3_TIMES = 300 if FULL else 100


def cells(*cubes):
    """Every cell of the union, each as a cube of single bits: the meaning of cubes, slowly."""
    singles = [[[1 << i for i in range(mask.bit_length()) if mask >> i & 1] for mask in cube] for cube in cubes]
    return {cell for bits in singles for cell in itertools.product(*bits)}


@st.composite
def problems(draw, most=12):
    """A region and the cubes to take away from it: at most 4 variables of at most 4 values."""
    wholes = draw(st.lists(st.integers(1, 4).map(lambda n: (1 << n) - 1), min_size=1, max_size=4))
    cube = st.tuples(*[st.one_of(st.just(whole), st.integers(1, whole)) for whole in wholes])
    return draw(cube), draw(st.lists(cube, max_size=most))


def dense(seed, variables=6, values=3, cubes=60):
    """A whole space and cubes that all but fill it, if not all: what takes guesses and second thoughts."""
    rng = random.Random(seed)
    whole = (1 << values) - 1
    region = (whole,) * variables

    def cube():
        narrow = rng.sample(range(variables), 3)
        return tuple(rng.randrange(1, whole) if v in narrow else whole for v in range(variables))

    return region, [cube() for _ in range(cubes)]


def halves(depth, noise, seed=1):
    """A space that 2**depth cubes cover only jointly, among cubes that matter nothing."""
    rng = random.Random(seed)
    region = (15,) * 17
    cover = [
        tuple((3 if corner >> v & 1 else 12) if v < depth else 15 for v in range(17)) for corner in range(2**depth)
    ]
    unrelated = [
        tuple(rng.randrange(1, 15) if v in narrow else 15 for v in range(17))
        for narrow in (rng.sample(range(17), 4) for _ in range(noise))
    ]
    return region, rng.sample(cover + unrelated, len(cover) + noise)


def test_a_variable_names_its_values():
    assert Variable("zone", ("inhouse", "eu")) == Variable(name="zone", values=("inhouse", "eu"))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0b11, 0b10), (0b01, 0b11), (0b01, 0b10)),
        ((0b11, 0b10), (0b11, 0b01), None),
        ((), (), ()),
    ],
)
def test_what_two_cubes_share(a, b, expected):
    assert intersect(a, b) == expected


def test_the_point_of_a_cube_is_its_mildest_cell():
    assert point((0b110, 0b1, 0b1000)) == (0b010, 0b1, 0b1000)


@pytest.mark.parametrize(
    ("region", "minus", "expected"),
    [
        ((3, 3), [], [(3, 3)]),
        ((3, 3), [(3, 3)], []),
        ((3, 1), [(3, 2)], [(3, 1)]),
        ((3, 3), [(1, 3), (2, 3)], []),
        ((3, 3), [(1, 3)], [(2, 3)]),
        ((7, 7), [(1, 7), (7, 2)], [(6, 5)]),
        ((3, 3), [(1, 1), (2, 2)], [(1, 2), (2, 1)]),
        ((), [], [()]),
        ((), [()], []),
    ],
)
def test_what_is_left(region, minus, expected):
    assert sorted(remainder(region, minus)) == expected


@settings(max_examples=TIMES, deadline=None)
@given(problems())
def test_remainder_is_what_enumeration_leaves_and_its_parts_are_disjoint(problem):
    region, minus = problem
    parts = list(remainder(region, minus))
    assert cells(*parts) == cells(region) - cells(*minus)
    assert sum(map(size, parts)) == len(cells(*parts))


@settings(max_examples=TIMES, deadline=None)
@given(problems(most=20))
def test_a_witness_is_outside_and_there_is_one_unless_all_is_covered(problem):
    region, minus = problem
    found = witness(region, minus)
    if found is None:
        assert cells(region) <= cells(*minus)
    else:
        assert cells(found)
        assert cells(found) <= cells(region) - cells(*minus)


@pytest.mark.parametrize("remembered", [2, 1000])
def test_dense_spaces_whatever_is_remembered(monkeypatch, remembered):
    monkeypatch.setattr(space, "_REMEMBERED", remembered)
    covered = 0
    for seed in range(120):
        region, minus = dense(seed, cubes=30 + seed)
        left = cells(region) - cells(*minus)
        parts = list(remainder(region, minus))
        assert cells(*parts) == left
        assert sum(map(size, parts)) == len(left)
        covered += not left
    assert 10 < covered < 110


@settings(max_examples=TIMES, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_how_the_cubes_are_written_does_not_matter(problem, rng):
    region, minus = problem
    expected = witness(region, minus) is None
    again = list(minus)
    for cube in minus:
        variable = rng.randrange(len(region))
        part = cube[variable] & rng.randrange(16)
        if part not in {0, cube[variable]}:
            again.remove(cube)
            again += [(*cube[:variable], mask, *cube[variable + 1 :]) for mask in (part, cube[variable] & ~part)]
        elif rng.random() < 0.3:
            again.append(cube)
    rng.shuffle(again)
    assert (witness(region, again) is None) is expected


@settings(max_examples=TIMES, deadline=None)
@given(problems(most=20))
def test_merge_says_the_same_with_no_more_cubes(problem):
    cubes = problem[1]
    merged = merge(cubes)
    assert cells(*merged) == cells(*cubes)
    assert len(merged) <= len(set(cubes))
    assert [size(cube) for cube in merged] == sorted(map(size, merged), reverse=True)
    for a, b in itertools.permutations(merged, 2):
        assert intersect(a, b) != a
        assert sum(x != y for x, y in zip(a, b, strict=True)) > 1


@pytest.mark.parametrize(
    ("cubes", "expected"),
    [
        ([], []),
        ([()], [()]),
        ([(1, 1), (1, 1)], [(1, 1)]),
        ([(1, 1), (2, 1)], [(3, 1)]),
        ([(1, 1), (2, 1), (1, 2), (2, 2)], [(3, 3)]),
        ([(1, 1), (1, 2), (2, 3)], [(3, 3)]),
        ([(1, 1), (2, 2)], [(1, 1), (2, 2)]),
        ([(1, 1), (3, 3)], [(3, 3)]),
        ([(1, 1), (7, 5), (2, 2)], [(7, 5), (2, 2)]),
    ],
)
def test_merged(cubes, expected):
    assert merge(cubes) == expected
    assert merge(iter(reversed(cubes))) == expected


@pytest.mark.parametrize("drop", [0, 1])
@pytest.mark.parametrize("depth", [5, 7])
def test_a_cover_that_needs_every_cube(depth, drop):
    region, minus = halves(depth, noise=100)
    needed = [cube for cube in minus if cube[depth:] == region[depth:] and set(cube[:depth]) <= {3, 12}]
    assert len(needed) == 2**depth
    for missing in needed[:drop]:
        minus.remove(missing)
    found = witness(region, minus, Budget(20_000))
    assert (found is None) is not drop
    if found is not None:
        assert intersect(found, region) == found
        assert [cube for cube in minus if intersect(found, cube)] == []


def test_many_variables_and_values_need_no_stack_and_no_guess():
    region = ((1 << 40) - 1,) * 60
    minus = [tuple(1 << i if v == w else mask for w, mask in enumerate(region)) for v in range(60) for i in range(39)]
    assert witness(region, minus, Budget(3)) == (1 << 39,) * 60
    assert witness(region, [*minus, (1 << 39,) * 60], Budget(3)) is None


def test_remainder_finds_a_part_when_it_is_asked_for():
    region, minus = (15,) * 12, [(1,) * 12, (2,) * 12, (4,) * 12, (8,) * 12]
    budget = Budget(1_000_000)
    parts = remainder(region, minus, budget)
    assert budget.steps == 1_000_000
    next(parts)
    after_one = budget.steps
    assert sum(map(size, parts)) > 0
    assert 1_000_000 > after_one > budget.steps


def test_a_budget_ends_a_search():
    region, minus = halves(7, noise=0)
    with pytest.raises(Exhausted):
        witness(region, minus, Budget(10))
    with pytest.raises(Exhausted):
        witness(region, [], Budget(0))
    budget = Budget(100_000)
    assert witness(region, minus, budget) is None
    taken = 100_000 - budget.steps
    assert witness(region, minus, Budget(taken)) is None
    with pytest.raises(Exhausted):
        witness(region, minus, Budget(taken - 1))
    assert witness(region, minus, Budget(None)) is None


def test_a_budget_is_shared_by_the_queries_it_is_given_to():
    budget = Budget(2)
    assert [witness((3,), [], budget), witness((3,), [(3,)], budget)] == [(3,), None]
    with pytest.raises(Exhausted):
        witness((3,), [], budget)


def test_a_cover_of_many_cubes_costs_little_more_than_looking_at_them():
    # In steps, so that no machine is too slow. Measured: 4 times; 100 times when the search remembers nothing.
    def steps(depth):
        budget = Budget(10**6)
        assert witness(*halves(depth, noise=100), budget) is None
        return 10**6 - budget.steps

    assert steps(7) < 10 * steps(5)


@given(st.lists(st.integers(1, 15), min_size=1), st.integers(1, 15))
def test_a_column_answers_the_same_whether_it_was_asked_before(masks, asked):
    before, after = space._Column(), space._Column()
    before.against(asked)
    for index, mask in enumerate(masks):
        before.add(mask, 1 << index)
        after.add(mask, 1 << index)
    apart = sum(1 << index for index, mask in enumerate(masks) if not mask & asked)
    short = sum(1 << index for index, mask in enumerate(masks) if asked & ~mask)
    assert before.against(asked) == after.against(asked) == (apart, short)


def z3_leaves_something(z3, region, minus):
    values = [z3.BitVec(f"v{v}", 8) for v in range(len(region))]

    def inside(value, mask):
        return z3.Or([value == i for i in range(mask.bit_length()) if mask >> i & 1])

    solver = z3.SolverFor("QF_BV")
    solver.add([inside(value, mask) for value, mask in zip(values, region, strict=True)])
    for cube in minus:
        solver.add(z3.Not(z3.And([inside(value, mask) for value, mask in zip(values, cube, strict=True)])))
    return solver.check() == z3.sat


def test_z3_agrees():
    z3 = pytest.importorskip("z3")
    covered = 0
    for seed in range(Z3_TIMES):
        rng = random.Random(seed)
        region, minus = dense(seed, variables=rng.randint(4, 8), values=rng.randint(2, 4), cubes=rng.randint(10, 50))
        region = tuple(mask if rng.random() < 0.7 else rng.randint(1, mask) for mask in region)
        found = witness(region, minus)
        assert z3_leaves_something(z3, region, minus) is (found is not None), seed
        if found is not None:
            assert intersect(found, region) == found
            assert [cube for cube in minus if intersect(found, cube)] == []
        covered += found is None
    assert Z3_TIMES // 6 < covered < Z3_TIMES * 5 // 6
