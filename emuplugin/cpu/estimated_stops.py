"""Stops where no machine code of ours can run: the engine is asked for them."""

from __future__ import annotations

import ctypes

import unicorn
from unicorn.unicorn_py3.unicorn import uclib


class EstimatedStops:
    """Stops as the engine offers them. What was armed counts as executed when time lapses."""

    exact = False

    def __init__(self, uc: unicorn.Uc) -> None:
        self._handle = uc._uch
        self._requested = self._expired = False
        self._asking = 0  # how many threads are about to stop the engine
        self._until = self._remaining = self.passed = 0
        self._left = ctypes.c_uint64(0)

    @property
    def left_at(self) -> int:
        return ctypes.addressof(self._left)

    @property
    def executed(self) -> int:
        return self._until - self._remaining

    def arm(self, instructions: int) -> None:
        self._until = self.executed + instructions
        self._remaining = instructions

    def request_at_once(self) -> None:
        self.request()

    def accelerate(self, memory: int, tables: int) -> None:
        """There is no code of ours."""

    def tell_time(self, tick: int) -> bool:
        return False

    def keep(self) -> tuple[int, int, int]:
        return self.executed, self._remaining, self.passed

    def show(self, kept: tuple[int, int, int]) -> None:
        executed, remaining, self.passed = kept
        self._requested = self._expired = False
        self._until, self._remaining = executed + remaining, remaining

    def request(self) -> None:
        self._requested = True
        self._asking += 1
        uclib.uc_emu_stop(self._handle)
        # Perhaps one run had ended by itself, and it is the next that the engine leaves.
        self._requested = True
        self._asking -= 1

    def trapped(self) -> None:
        """Nothing is counted."""

    def take(self) -> bool:
        due = self._requested or self._expired or self._asking > 0
        self._requested = False
        return due

    def withdraw(self) -> None:
        self._requested = False

    def take_expired(self) -> bool:
        expired, self._expired = self._expired, False
        return expired

    def lapse(self) -> None:
        self._remaining = 0
        self._expired = True

    def forget(self) -> None:
        """Nothing is known."""

    def flushed(self) -> None:
        """Nothing depends on where translations are."""

    def close(self) -> None:
        """There is nothing to free."""
