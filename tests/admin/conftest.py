"""Members with staff users: alice owns the tested rows, bob is in her organization, mallory not.

Their Django users have every permission that a superuser can grant.
"""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from conversations.models import Member


def make_staff(member: Member) -> Member:
    member.user.is_staff = True
    member.user.save()
    member.user.user_permissions.set(Permission.objects.all())
    return member


@pytest.fixture
def alice(alice):
    return make_staff(alice)


@pytest.fixture
def bob(bob):
    return make_staff(bob)


@pytest.fixture
def mallory(mallory):
    return make_staff(mallory)


@pytest.fixture
def root(db) -> User:
    """Return a superuser without a member."""
    return User.objects.create_superuser("root")


@pytest.fixture
def browser_of():
    """Return a function: `browser_of(member)` is a client logged in as its Django user."""

    def make(who: Member | User) -> Client:
        client = Client()
        client.force_login(who.user if isinstance(who, Member) else who)
        return client

    return make
