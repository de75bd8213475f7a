"""An HTTP function for functions-framework, served by its defaults (Flask on gunicorn's threads)."""

import functions_framework
from flask import Request


@functions_framework.http
def hello(request: Request) -> dict[str, str]:
    return {"hello": "world"}
