"""The line at the top of every page: a greeting in the visitor's language.

A plain ``def``: it runs in a thread, so it may block. The language is the one asked for, else the first of
``Accept-Language`` that the page has words for, else English.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from bff import Header, Query, SyncContext

Language = Literal["de", "en", "es", "fr", "nl"]

WORDS: dict[Language, str] = {
    "de": "Guten Tag",
    "en": "Good day",
    "es": "Buenos días",
    "fr": "Bonjour",
    "nl": "Goedendag",
}


class Greeting(BaseModel):
    """What the top line shows."""

    language: Language = Field(description="the language the text is in")
    text: str
    signed_by: str = Field(description="whose page it is: the function's setting SIGNED_BY")


def handle(
    ctx: SyncContext,
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)],
    language: Annotated[Language | None, Query("lang")] = None,
    accept_language: Annotated[str, Header()] = "",
) -> Greeting:
    spoken = language or first_known(accept_language)
    return Greeting(
        language=spoken, text=f"{WORDS[spoken]}, {name}!", signed_by=ctx.settings.get("SIGNED_BY", "")
    )


def first_known(accept_language: str) -> Language:
    """The visitor's best language we have words for; browsers list them best first, so weights go unread."""
    for wish in accept_language.split(","):
        spoken = wish.split(";")[0].split("-")[0].strip().lower()
        for known in WORDS:
            if known == spoken:
                return known
    return "en"
