"""One password for all, where the environment names it; a guess costs time."""

import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

PASSWORD_VARIABLE = "POLYMILL_SEARCH_PASSWORD"  # noqa: S105 - its name
SESSION_S = 12 * 3600
_FREE_GUESSES = 3
_LONGEST_WAIT_S = 300.0
_SESSIONS, _GUESSERS = 1000, 10_000


class Login:
    """Who may ask: those with the cookie that the password gave them. All are forgotten when the process ends.

    Args:
        password: the one that opens.
        cookie: its name; with the port in it, since browsers do not tell servers of one host apart by port.
        clock: seconds, ever growing.
    """

    def __init__(self, password: str, *, cookie: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.cookie = cookie
        self._clock = clock
        # Of one length, so that comparing tells nothing.
        self._password = _digest(password)
        self._sessions: OrderedDict[bytes, float] = OrderedDict()
        self._guesses: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Seconds until a client may guess again, 0 for now."""
        _, until = self._guesses.get(_network(client), (0, 0.0))
        return max(0.0, until - self._clock())

    def open(self, client: str, password: str) -> str | None:
        """A new session's secret where the password is right; else the client waits, twice as long every time.

        Called for one guess after the other: nothing else runs in between.
        """
        who = _network(client)
        if hmac.compare_digest(_digest(password), self._password):
            self._guesses.pop(who, None)
            secret = secrets.token_urlsafe(32)
            self._sessions[_digest(secret)] = self._clock() + SESSION_S
            while len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
            return secret
        wrong = self._guesses.pop(who, (0, 0.0))[0] + 1
        wait = min(2.0 ** (wrong - _FREE_GUESSES), _LONGEST_WAIT_S) if wrong >= _FREE_GUESSES else 0.0
        self._guesses[who] = (wrong, self._clock() + wait)
        while len(self._guesses) > _GUESSERS:
            self._guesses.popitem(last=False)
        return None

    def knows(self, cookies: str | None) -> bool:
        """Whether the Cookie header has the secret of a session."""
        return self._sessions.get(_digest(self._secret(cookies)), float("-inf")) > self._clock()

    def close(self, cookies: str | None) -> None:
        """End the session that the Cookie header names."""
        self._sessions.pop(_digest(self._secret(cookies)), None)

    def _secret(self, cookies: str | None) -> str:
        try:
            return SimpleCookie(cookies or "")[self.cookie].value
        except (CookieError, KeyError):
            return ""


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _network(client: str) -> str:
    """Who guesses: an IPv4 address, or the network of an IPv6 one, of which one machine has many."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
