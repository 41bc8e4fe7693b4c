"""The shape of a triple: which of its files exist."""

import itertools

import pytest

from reconciler.model.identity import Role
from reconciler.model.triple import SHAPES, Shape, shape_of

TRIPLE = (Role.INPUT, Role.OUTPUT, Role.ERROR)


@pytest.mark.parametrize("metadata", [(), (Role.METADATA,)])
@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        pytest.param((), Shape.EMPTY, id="empty"),
        pytest.param((Role.INPUT,), Shape.WAITING, id="waiting"),
        pytest.param((Role.INPUT, Role.OUTPUT), Shape.ANSWERED, id="answered"),
        pytest.param((Role.INPUT, Role.ERROR), Shape.FAILED, id="failed"),
        pytest.param((Role.INPUT, Role.OUTPUT, Role.ERROR), Shape.MIXED, id="mixed"),
        pytest.param((Role.OUTPUT,), Shape.ORPHANED, id="orphaned-output"),
        pytest.param((Role.ERROR,), Shape.ORPHANED, id="orphaned-error"),
        pytest.param((Role.OUTPUT, Role.ERROR), Shape.ORPHANED, id="orphaned-both"),
    ],
)
def test_each_subset_has_one_shape(
    roles: tuple[Role, ...], expected: Shape, metadata: tuple[Role, ...]
) -> None:
    """Which files exist decides the shape; their order and the metadata file do not."""
    for order in itertools.permutations((*roles, *metadata)):
        assert shape_of(order) is expected


def test_the_shapes_are_total() -> None:
    """Every subset of the three roles has a shape, and every shape has a subset."""
    subsets = {frozenset(some) for k in range(4) for some in itertools.combinations(TRIPLE, k)}
    assert set(SHAPES) == subsets
    assert set(SHAPES.values()) == set(Shape)
