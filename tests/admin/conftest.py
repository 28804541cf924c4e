"""Alice owns what a test is about, bob is her colleague, mallory a stranger: all of them staff
with every permission a superuser may give."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from conversations.models import User


def make_staff(user: User) -> User:
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.all())
    return user


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
    """A superuser of no organization."""
    return User.objects.create_superuser("root")


@pytest.fixture
def browser_of():
    """`browser_of(user)` is a browser in which that user has logged in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make
