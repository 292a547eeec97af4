"""The Redis contract: key names, the guarded writer, the reader (DESIGN.md, section 7).

Redis holds nothing of its own but who acknowledged alerts: every figure is absolute, comes from the tables of the stream, and is
written again from them when Redis was emptied or holds something else; so are records (`records_writer`), from their topics.
"""

from xinghe.serving.client import open_redis
from xinghe.serving.commit import (
    AlertWrite,
    CommitWrite,
    ModelsWrite,
    NoteWrite,
    PositionWrite,
    WindowWrite,
)
from xinghe.serving.errors import ServingDataError, ServingError, ServingUnavailableError
from xinghe.serving.reader import CampaignChange, Funnel, FunnelReader, NoteFunnel
from xinghe.serving.writer import FunnelWriter, Outcome

__all__ = [
    "AlertWrite",
    "CampaignChange",
    "CommitWrite",
    "Funnel",
    "FunnelReader",
    "FunnelWriter",
    "ModelsWrite",
    "NoteFunnel",
    "NoteWrite",
    "Outcome",
    "PositionWrite",
    "ServingDataError",
    "ServingError",
    "ServingUnavailableError",
    "WindowWrite",
    "open_redis",
]
