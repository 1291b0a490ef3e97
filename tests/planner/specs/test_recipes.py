"""Recipes of 8 and 4 bits that a job may have."""

from __future__ import annotations

import pytest

from planner.errors import FieldError
from tests.planner.jobs import small


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fp8_recipe": "mxfp8", "precision": "fp8"}, "mxfp8 needs a Blackwell GPU of a data centre, not h100-sxm"),
        ({"fp8_recipe": "mxfp8", "precision": "fp8", "gpu": "rtx-5090"}, "mxfp8 needs a Blackwell GPU"),
        ({"fp8_recipe": "blockwise", "precision": "fp8", "gpu": "l40s"}, "blockwise needs a Hopper or Blackwell GPU, not l40s"),
        (
            {"fp8_recipe": "rowwise", "precision": "fp8"},
            "Megatron-Core has the recipes delayed, current, blockwise, mxfp8, nvfp4, not rowwise",
        ),
        (
            {"fp8_recipe": "delayed", "precision": "fp8", "stack": "torchtitan"},
            "has the recipes current, rowwise, mxfp8, nvfp4, not delayed",
        ),
        ({"fp8_recipe": "delayed"}, "delayed needs precision fp8, not bf16"),
        ({"fp8_recipe": "nvfp4", "precision": "fp8", "gpu": "b200"}, "nvfp4 needs precision fp4, not fp8"),
        ({"fp8_recipe": "current", "precision": "fp4", "gpu": "b200"}, "current needs precision fp8, not fp4"),
        ({"fp8_parameters": True, "precision": "fp8", "stack": "torchtitan"}, "set fp8_recipe to current"),
    ],
)
def test_a_recipe_that_is_not_possible_is_refused(changes: dict[str, object], words: str) -> None:
    """The sentence names the field and what the recipe needs."""
    with pytest.raises(FieldError, match=words) as caught:
        small(**changes)
    assert caught.value.key == "fp8_recipe"


def test_possible_recipes_are_taken() -> None:
    """A chosen recipe decides the number format of products."""
    given = [
        ("h100-sxm", "delayed", "fp8"),
        ("h100-sxm", "blockwise", "fp8_block"),
        ("b200", "current", "fp8"),
        ("gb300", "mxfp8", "fp8_block"),
    ]
    assert all(small(gpu=gpu, precision="fp8", fp8_recipe=recipe).numbers == numbers for gpu, recipe, numbers in given)
