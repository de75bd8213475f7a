"""What the three services share: JSON answers, RFC 9457 problems, and query parameters as pydantic models.

It knows nothing of airports, holidays or clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.faults import Faults, problem, unfit

Country = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True)]
"""An ISO 3166-1 alpha-2 code."""

Query = TypeVar("Query", bound=BaseModel)


def service(routes: Sequence[Route]) -> ASGIApp:
    """An ASGI application over ``routes``: errors are answered as problems, fault parameters obeyed."""
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _refused, ValidationError: _unfit, 500: _failed},
    )
    app.router.redirect_slashes = False
    return Faults(app)


def asked(request: Request, model: type[Query]) -> Query:
    """The query parameters as ``model``; what does not fit is answered 422."""
    return model.model_validate(dict(request.query_params))


def unknown(what: str) -> HTTPException:
    """Raise it: a 404 that says what is not known here."""
    return HTTPException(404, what)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, headers=error.headers)


async def _unfit(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ValidationError)
    return unfit(error)


async def _failed(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "The service failed.")


def answer(body: Any) -> JSONResponse:
    """``body`` as ``application/json``."""
    return JSONResponse(body)
