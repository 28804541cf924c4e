"""Constraints of members and their links to Django users."""

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from conversations.domain.conversations.accounts import create_member
from conversations.domain.errors import Conflict
from conversations.models import Member

from ...factories import make_organization


def test_member_name_is_unique_in_organization(db):
    acme, other = make_organization(), make_organization()
    create_member(acme, "alice")
    create_member(other, "alice")

    with pytest.raises(Conflict):
        create_member(acme, "alice")


def test_only_member_of_user_may_lack_organization(db):
    user = get_user_model().objects.create_user("root")
    Member.objects.create(name="root", user=user)

    with pytest.raises(IntegrityError), transaction.atomic():
        Member.objects.create(name="program")


def test_create_member_links_user(db):
    user = get_user_model().objects.create_user("alice")

    member = create_member(make_organization(), "alice", user=user)

    assert user.member == member
    assert member.pk.startswith("user-")
