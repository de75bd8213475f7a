"""The console: pages for people at the admin listener, over what the admin API tells. Imported with the first page.

**How to add a page.** One module and one template:

1. ``bff/console/things.py`` has a class whose methods give *facts* (a mapping) for an :class:`~bff.admin.operation.Asked`,
   and a method ``pages()`` that returns :class:`~bff.console.page.Page` values. It asks the rooms that ``House`` hands
   over, as the admin API's own modules do, and raises ``BffError``s, which become error pages.
2. ``bff/console/templates/things.html`` begins ``{% extends "frame.html" %}`` and fills ``{% block main %}`` with
   the macros of ``parts.html`` (``parts.title``, ``parts.badge``, ``parts.bar``, ``parts.moment``, ``parts.empty``, ``parts.act``…).
3. ``bff/console/pages.py`` lists it. A page with ``nav="Things"`` is in the navigation.

**Live parts.** ``Page(parts=("rows",))`` and ``<div data-part="rows">{% include "things/rows.html" %}</div>`` in the
template: while the page is open its facts are asked for again at each tick (:data:`bff.console.live.TICK`), once for all
who watch the same URL, and parts whose HTML has changed are sent and put in place. A part must be bounded (at most 50
rows or so) and cheap: that is what a second of watching costs.

**Actions** are calls of the admin API, which the browser makes: ``{{ parts.act("Pause", "POST", "/v1/…", {...}) }}``
shows what will be sent as ``curl``, asks for the token where there is none yet, and reloads the page when it is done.

**Rules.** Autoescape is on, undefined names are errors; nothing is inlined, neither script nor style (widths of bars are
attributes of SVG); every name may be 200 characters long, every list empty, 500 rows long or absent; colours come from the
variables of ``console.css``; what has a colour has a word beside it.
"""
