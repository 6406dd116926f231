"""The routes of operators."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path

from tramontane.errors import TramontaneError
from tramontane.http.problem_documents import openapi_responses
from tramontane.http.routes import CallerOf, ServerOf, all_models
from tramontane.service.access import tokens as access
from tramontane.service.access.schemas import TokenAnswer, TokensAnswer
from tramontane.service.problems import Fault, at_fault
from tramontane.service.schemas import ModelsAnswer

router = APIRouter(prefix="/v1")


@router.post("/models/reload", responses=openapi_responses(401, 403, 429))
async def reload(server: ServerOf, caller: CallerOf) -> ModelsAnswer:
    """Look at the folder of models now; it is looked at every few seconds anyway."""
    caller.need("admin")
    await asyncio.to_thread(server.refresh)
    return all_models(server)


@router.get("/tokens", responses=openapi_responses(401, 403, 429))
def tokens(server: ServerOf, caller: CallerOf) -> TokensAnswer:
    """All tokens, without their secrets; they are made with ``tramontane token create`` on the server alone."""
    caller.need("admin")
    rows = access.list_tokens(server.sessions)
    return TokensAnswer(tokens=[TokenAnswer.model_validate(row, from_attributes=True) for row in rows])


@router.delete("/tokens/{token}", status_code=204, responses=openapi_responses(401, 403, 404, 422, 429))
def revoke(token: Annotated[str, Path(min_length=1, max_length=20)], server: ServerOf, caller: CallerOf) -> None:
    """End a token; it works for two seconds more at most."""
    caller.need("admin")
    try:
        access.revoke_token(server.sessions, token)
    except TramontaneError as error:
        raise at_fault(Fault(input="path.token", detail=str(error)), status=404) from error
