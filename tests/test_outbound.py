"""Which hosts requests may go to."""

import asyncio
import socket

import pytest

from conversations.outbound import GuardedTransport, OutboundError, check_url, outbound_client


def fetch(url: str) -> str:
    async def get() -> str:
        async with outbound_client({}, timeout=2, transport=GuardedTransport(100)) as client:
            return (await client.get(url)).text

    return asyncio.run(get())


@pytest.fixture
def resolved(monkeypatch):
    """Let every name have the given addresses: `resolved("10.0.0.1")`."""

    def to(*addresses: str) -> None:
        async def getaddrinfo(self, host, port, **options):
            return [(None, None, None, "", (address, port)) for address in addresses]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)

    return to


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://localhost/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:a00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://224.0.0.1/",
        "http://100.64.0.1/",
    ],
)
def test_addresses_that_are_not_public_are_refused(url):
    with pytest.raises(OutboundError, match="not allowed"):
        fetch(url)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1"])
def test_name_is_refused_for_its_address(resolved, address):
    resolved(address)

    check_url("http://public.example/")
    with pytest.raises(OutboundError, match="not allowed"):
        fetch("http://public.example/")


@pytest.mark.parametrize(
    ("allowed", "host", "address", "is_allowed"),
    [
        (["inner.example"], "inner.example", "127.0.0.1", True),
        ([".example"], "inner.example", "127.0.0.1", True),
        (["127.0.0.0/8", "*"], "inner.example", "127.0.0.1", True),
        (["inner.example"], "inner.example", "169.254.169.254", False),
        (["inner.example"], "other.example", "127.0.0.1", False),
        (["*"], "inner.example", "127.0.0.1", False),
        ([], "inner.example", "93.184.215.14", False),
    ],
)
def test_list_decides(resolved, configure, allowed, host, address, is_allowed):
    configure(OUTBOUND_ALLOWED_HOSTS=allowed)
    resolved(address)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    # Nothing listens there, so an allowed connection fails in another way.
    with pytest.raises(OutboundError, match="reached" if is_allowed else "not allowed"):
        fetch(f"http://{host}:{port}/")
