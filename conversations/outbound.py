"""Requests to hosts that callers name: only to addresses that the operator allows.

A caller could otherwise reach what only the server reaches, such as the metadata of its cloud. The
address is checked where the connection is made, so a name that changes its address in between
does not help.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from typing import cast

import httpx2
from django.utils.http import is_same_domain

from .conf import conf

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY = "*"
CONNECT_TIMEOUT = 10.0
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
# Translated to the IPv4 address in the last 32 bits.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundError(Exception):
    """A request was not sent, or its response not read to the end; the text says why."""


class HostRefused(OutboundError):
    """The operator does not allow connections to the host."""

    def __init__(self, host: str):
        super().__init__(
            f"{host} is not allowed: OUTBOUND_ALLOWED_HOSTS does not list it, "
            "or it has no public address"
        )


class ResponseTooLarge(OutboundError):
    """A server sent more than the client reads."""

    def __init__(self, limit: int):
        super().__init__(f"the server sent more than {limit} bytes")


def check_url(url: str) -> None:
    """Raise OutboundError for a URL that is unusable or certainly not allowed.

    Names are not resolved here; `outbound_client` checks their addresses.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise OutboundError(f"expected a URL ({error})") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise OutboundError("expected a URL that starts with http:// or https://")
    if parsed.userinfo:
        raise OutboundError("expected a URL without user and password; use a header")
    host = parsed.host.lower()
    if address := _as_address(host):
        if not _is_allowed(host, address):
            raise HostRefused(host)
    elif not (ANY in conf.OUTBOUND_ALLOWED_HOSTS or _is_named(host) or _listed_networks()):
        raise HostRefused(host)


def outbound_client(
    headers: Mapping[str, str], *, timeout: float, transport: "GuardedTransport"
) -> httpx2.AsyncClient:
    """Return a client that connects to allowed addresses only.

    It follows no redirects and uses no proxies.

    Args:
        headers: What each request has.
        timeout: Of each read and write, in seconds.
        transport: What sends its requests, and closes with it.
    """
    return httpx2.AsyncClient(
        # A compressed response could be far longer than what is counted.
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT),
        transport=transport,
        trust_env=False,
        follow_redirects=False,
    )


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests to the allowed addresses of their hosts.

    Args:
        max_bytes: How much it reads in its life, of all responses together.

    Attributes:
        problem: The last error, for libraries that hide it from their callers.
    """

    def __init__(self, max_bytes: int):
        self.problem: OutboundError | None = None
        self._max_bytes = max_bytes
        self._bytes_read = 0
        self._transport = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._send(request)
        except OutboundError as error:
            self.problem = error
            raise
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            self.problem = OutboundError("the server sent a compressed response, unasked")
            raise self.problem
        # The stream of an async transport's response is an asynchronous one.
        response.stream = _Counted(cast(httpx2.AsyncByteStream, response.stream), self)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()

    def count(self, chunk: bytes) -> None:
        """Count bytes that were read. Raises ResponseTooLarge."""
        self._bytes_read += len(chunk)
        if self._bytes_read > self._max_bytes:
            self.problem = ResponseTooLarge(self._max_bytes)
            raise self.problem

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        host, last_error = request.url.host, None
        for address in await _allowed_addresses(host, request.url.port):
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                # Has the name in `Host`.
                headers=request.headers,
                stream=request.stream,
                # The certificate must be the name's.
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._transport.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                last_error = error
        raise OutboundError(f"{host} can't be reached") from last_error


class _Counted(httpx2.AsyncByteStream):
    """The stream of a response, whose bytes the transport counts."""

    def __init__(self, stream: httpx2.AsyncByteStream, transport: GuardedTransport):
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._transport.count(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _allowed_addresses(host: str, port: int | None) -> list[str]:
    """Return the addresses of a host that may be connected to. Raises OutboundError for none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise OutboundError(f"{host} can't be resolved") from None
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    allowed = [each for each in addresses if _is_allowed(host, ipaddress.ip_address(each))]
    if not allowed:
        raise HostRefused(host)
    return allowed


def _is_allowed(host: str, address: Address) -> bool:
    if any(address in network for network in _listed_networks()):
        return True
    if _is_public(address):
        return ANY in conf.OUTBOUND_ALLOWED_HOSTS or _is_named(host)
    # The addresses of metadata services are link-local: a name does not open them.
    is_ordinary = address.is_private and not (address.is_link_local or address.is_unspecified)
    return is_ordinary and _is_named(host)


def _is_named(host: str) -> bool:
    """Return whether the list has this name, or a domain of it as `.example.com`."""
    entries = (entry for entry in conf.OUTBOUND_ALLOWED_HOSTS if entry != ANY)
    return any(is_same_domain(host.lower(), entry.lower()) for entry in entries)


def _listed_networks() -> list[Network]:
    networks = []
    for entry in conf.OUTBOUND_ALLOWED_HOSTS:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError:
            continue  # A name.
    return networks


def _as_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return _is_public(embedded)
        return address in GLOBAL_IPV6 and address.is_global
    return address.is_global and not address.is_multicast
