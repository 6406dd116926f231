"""What a browser reads of the page's views."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from tramontane.page.view.buffers import Buffers


def arrays(buffers: Buffers, address: str) -> dict[str, np.ndarray[Any, Any]]:
    """What a browser reads in a buffer."""
    content = buffers._kept.get(address.rpartition("/")[2])
    assert content is not None
    (size,) = struct.unpack_from("<I", content)
    head = json.loads(content[4 : 4 + size])
    kinds = {"f4": np.float32, "u4": np.uint32}
    return {name: np.frombuffer(content, kinds[each["type"]], each["count"], each["offset"])
            for name, each in head["arrays"].items()}  # fmt: skip
