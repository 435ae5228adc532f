"""What a gateway's answer to an order says, by whatever door it came. Pure functions."""

from __future__ import annotations

import enum
from typing import Any

Reply = dict[str, Any]


class Said(enum.Enum):
    """What an answer says of its order."""

    DONE = "done"
    """It was carried out."""
    NOTHING = "nothing"
    """Nothing was done, and nothing will be by a repeat."""
    UNKNOWN = "unknown"
    """It went out, and its fate is not known yet."""
    NOT_THIS_COPY = "not this copy"
    """This copy of the request did nothing; another one may have done, or may do."""


def said(reply: Reply) -> Said:
    """What a reply of the command protocol says."""
    match reply["status"]:
        case "success":
            return Said.DONE
        case "rejected":
            return Said.NOTHING
        case "unknown":
            return Said.UNKNOWN
        case _:
            # An outcome after an intent names its order. `request_id_conflict` holds for every copy.
            final = "order_id" in reply or reply["code"] == "request_id_conflict"
            return Said.NOTHING if final else Said.NOT_THIS_COPY


def expired(reply: Reply) -> bool:
    """Whether the answer is that the request came too late, as far as the gateway knows."""
    return bool(reply["status"] == "error" and reply["code"] == "expired" and "order_id" not in reply)


def from_http(status: int, body: Reply) -> Reply:
    """The reply that an HTTP answer stands for; the fields of the problem document stay."""
    if status == 200:
        return body
    code = body.get("code", "http_error")
    if code in ("rejected", "unknown"):
        return {**body, "status": code, "http": status}
    return {**body, "status": "error", "code": code, "message": body.get("detail", ""), "http": status}
