"""WebSockets as handlers see them: Starlette's own class, under one more name.

``await ws.accept()`` agrees to the offer; until then a failure is an ordinary HTTP problem. What else it has, from
``async for text in ws.iter_text()`` to ``send_json``, is described at https://www.starlette.io/websockets/.
"""

from __future__ import annotations

from starlette.websockets import WebSocket as WebSocket
from starlette.websockets import WebSocketDisconnect as WebSocketDisconnect
