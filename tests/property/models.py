"""The models of the stream against those of the truth, by the audit's comparison."""

from __future__ import annotations

import orjson

from tests.pipeline import Pipeline
from xinghe.audit.compare_models import FoundModels, ModelsComparison
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings


def assert_models(truth: Truth, pipeline: Pipeline) -> None:
    """Records and sink show for each shop what the truth says (R16)."""
    records = {shop_id: orjson.dumps(value) for shop_id, value in pipeline.models().items()}
    shown = {shop_id: orjson.dumps(value) for shop_id, value in pipeline.models_shown().items()}
    findings, found = Findings(), FoundModels()
    found.last = records
    ModelsComparison(truth).compare(found, shown, findings)
    assert not findings.shown
    assert not findings.notices_shown
    assert records.keys() == truth.paths.keys()
