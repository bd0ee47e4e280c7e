"""The command that measures a case again."""

from __future__ import annotations

import pytest
from made_trials import CSR_CASE, made_start

from bench.report.command import repeat

ID = CSR_CASE.id


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, f"bench run suites/s.yaml --only '{ID}' --seed 1"),
        ({"measure": {"quick": True}}, f"bench run suites/s.yaml --only '{ID}' --seed 1 --quick"),
        ({"suite_file": "mine/x y.yaml"}, f"bench run 'mine/x y.yaml' --only '{ID}' --seed 1"),
        (
            {
                "suite_file": "x.yaml",
                "command": ["bench", "run", "x.yaml", "--rounds", "7", "--only", "resnet", "--plugin=p.py",
                            "--trust", "--results", "r", "--seed", "5"],
            },
            f"bench run x.yaml --only '{ID}' --seed 1 --rounds 7 --plugin=p.py --trust",
        ),
        ({"arms": {"base": "aaa", "head": "bbb"}}, f"bench ab aaa bbb suites/s.yaml --only '{ID}' --seed 1"),
    ],
)  # fmt: skip
def test_the_options_that_change_how_it_is_measured_are_kept(
    changes: dict[str, object], command: str
) -> None:
    assert repeat(made_start([CSR_CASE], **changes), ID) == command
