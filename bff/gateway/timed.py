"""uvicorn's protocol with time limits for whoever keeps it waiting, and a place in the crowd.

What is waited for, and what that means, is :mod:`bff.gateway.protocol`'s to say.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bff.gateway import refusal
from bff.gateway.bodywatch import BodyWatch
from bff.gateway.crowd import Crowd
from bff.gateway.door.failures import TooManyConnections
from bff.gateway.lean import LeanProtocol
from bff.gateway.limits import HeadLimits

LINGER = 5.0
"""Seconds an unwanted body may go on arriving after its answer (nginx lingering_timeout)."""


class TimedProtocol(LeanProtocol):
    """Mutable state: ``_head_timer``, ``_end_timer``, ``_write_timer``, ``body_watch``, ``_refused`` (nothing more is
    read), ``_is_inside`` (whether it counts in the crowd).
    """

    def __init__(self, *args: Any, limits: HeadLimits, crowd: Crowd | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._crowd = crowd
        self._is_inside = self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.body_watch = BodyWatch(self.loop, self._body_is_silent)

    def _head_expired(self) -> None:
        raise NotImplementedError

    def _body_is_silent(self) -> bool:
        raise NotImplementedError

    def _is_let_in(self) -> bool:
        self._is_inside = self._crowd is None or self._crowd.enter(self._address)
        if not self._is_inside:
            self._turn_away()
        return self._is_inside

    def _leave(self) -> None:
        self._stop_head_timer()
        self._stop_end_timer()
        self._stop_write_timer()
        self.body_watch.stop()
        if self._is_inside and self._crowd is not None:
            self._is_inside = False
            self._crowd.leave(self._address)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _turn_away(self) -> None:
        """Say why, and waste nothing more on it."""
        assert self._crowd is not None
        self._refused = True
        if self._crowd.is_worth_telling(self.loop.time()):
            self.logger.warning("refused: too many connections (%r; from %s)", self._crowd, self._address)
        self.transport.write(refusal.written(TooManyConnections()))
        self.transport.close()

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.seconds, self._head_expired)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_end_timer(self) -> None:
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(LINGER, self._close)

    def _stop_end_timer(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None

    def _close(self) -> None:
        self.transport.close()
        self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._close()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()  # later answers may be in the buffer now; a close only drains it

    def _watch_reader(self) -> None:
        """Whatever is written and not taken goes with its connection, once the caller takes nothing more."""
        left = self.transport.get_write_buffer_size()
        if left and self._write_timer is None:
            self._write_timer = self.loop.call_later(self._limits.stalled, self._write_expired, left)

    def _write_expired(self, before: int) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size() >= before:
            self.logger.warning("cut off: takes nothing of its answer (from %s)", self._address)
            self.transport.abort()
        else:
            self._watch_reader()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
