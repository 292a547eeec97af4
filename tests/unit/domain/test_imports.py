"""The layers of DESIGN.md hold at run time too: what a fresh interpreter has loaded after the import."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROOTS = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(*sorted(sys.modules), sep="\\n")
"""


def loaded_by(package: str) -> set[str]:
    """The modules that are there after every module of the package was imported."""
    result = subprocess.run(
        [sys.executable, "-c", ROOTS, package], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.fixture(scope="module")
def domain_modules() -> set[str]:
    return loaded_by("xinghe.domain")


def test_the_domain_imports_msgspec_and_the_standard_library_only(domain_modules: set[str]) -> None:
    roots = {name.partition(".")[0] for name in domain_modules - loaded_by("msgspec")}
    assert roots - sys.stdlib_module_names == {"xinghe"}


@pytest.mark.parametrize(
    "name", ["faust", "aiokafka", "redis", "orjson", "xxhash", "streams", "xinghe.serving"]
)
def test_the_domain_does_not_import(domain_modules: set[str], name: str) -> None:
    assert name not in domain_modules


def test_every_module_of_the_domain_was_looked_at(domain_modules: set[str]) -> None:
    assert {"xinghe.domain.journey_rules", "xinghe.domain.attribution.last_touch"} <= domain_modules


def test_the_engine_knows_nothing_of_campaigns_and_notes() -> None:
    modules = loaded_by("streams.engine")
    assert "streams.engine.engine" in modules
    assert not [name for name in modules if name == "xinghe" or name.startswith("xinghe.")]
    assert not [
        name for name in modules if name.startswith("streams.") and not name.startswith("streams.engine")
    ]
