"""API keys, members and the audit log of the caller's organization."""

from datetime import timedelta

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.accounts import (
    create_member,
    issue_key,
    revoke_key,
    rotate_key,
    update_member,
)
from ...models import ApiKey, AuditEvent, Member, Scope
from ...models.accounts import ApiKeyQuerySet, MemberQuerySet
from ..auth import actor_of, key_of
from ..http.filters import matching_audit_events
from ..http.pagination import page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.accounts import (
    CreateApiKeyBody,
    CreateMemberBody,
    ListApiKeysQuery,
    ListAuditEventsQuery,
    ListMembersQuery,
    RotateApiKeyBody,
    UpdateMemberBody,
)
from ..shapes.accounts import (
    ApiKeyJSON,
    AuditEventJSON,
    MemberJSON,
    NewApiKeyJSON,
    api_key_json,
    audit_event_json,
    member_json,
    new_api_key_json,
)
from .base import ApiView
from .finders import find


def keys_of(request: Request) -> ApiKeyQuerySet:
    """Return the keys of the caller's organization."""
    rows = ApiKey.objects.in_organization(key_of(request).organization_id)
    return rows.select_related("member__user")


def members_of(request: Request) -> MemberQuerySet:
    """Return the members of the caller's organization."""
    return Member.objects.in_organization(key_of(request).organization_id)


class ApiKeyList(ApiView):
    @operation("api_keys_list", ListApiKeysQuery, scope=Scope.ADMIN, response=list[ApiKeyJSON])
    def get(self, request: Request) -> HttpResponse:
        """List API keys, without their secrets."""
        query = read_query(request, ListApiKeysQuery)
        every = keys_of(request)
        rows = every.filter(member=query["member_id"]) if "member_id" in query else every
        if "active" in query:
            rows = rows.active() if query["active"] else rows.exclude(pk__in=every.active())
        found = page(rows, query, cursors=every, prefix="key")
        return Response([api_key_json(key) for key in found])

    @operation("api_keys_create", scope=Scope.ADMIN, body=CreateApiKeyBody, response=NewApiKeyJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create an API key; its secret is returned this once."""
        body = read_body(request, CreateApiKeyBody)
        member = find(members_of(request), body.pop("member_id", key_of(request).member_id))
        return Response(new_api_key_json(*issue_key(member, by=actor_of(request), **body)))


class ApiKeyDetail(ApiView):
    @operation("api_keys_retrieve", scope=Scope.ADMIN, response=ApiKeyJSON)
    def get(self, request: Request, api_key_id: str) -> HttpResponse:
        """Retrieve an API key."""
        return Response(api_key_json(find(keys_of(request), api_key_id)))


class RotateApiKey(ApiView):
    @operation("api_keys_rotate", scope=Scope.ADMIN, body=RotateApiKeyBody, response=NewApiKeyJSON)
    def post(self, request: Request, api_key_id: str) -> HttpResponse:
        """Create the successor of an API key, which stays valid for a while.

        The successor has the member, scope, name and lifetime of the key.
        """
        body = read_body(request, RotateApiKeyBody, required=False)
        overlap = timedelta(seconds=body["overlap_seconds"])
        key = find(keys_of(request), api_key_id)
        return Response(new_api_key_json(*rotate_key(key, overlap=overlap, by=actor_of(request))))


class RevokeApiKey(ApiView):
    @operation("api_keys_revoke", scope=Scope.ADMIN, response=ApiKeyJSON)
    def post(self, request: Request, api_key_id: str) -> HttpResponse:
        """Revoke an API key for good; it stays in the list."""
        key = revoke_key(find(keys_of(request), api_key_id), by=actor_of(request))
        return Response(api_key_json(key))


class MemberList(ApiView):
    @operation("members_list", ListMembersQuery, scope=Scope.ADMIN, response=list[MemberJSON])
    def get(self, request: Request) -> HttpResponse:
        """List members."""
        query = read_query(request, ListMembersQuery)
        rows = every = members_of(request)
        if "name" in query:
            rows = rows.filter(name=query["name"])
        if "active" in query:
            rows = rows.filter(is_active=query["active"])
        found = page(rows, query, cursors=every, prefix="user")
        return Response([member_json(member) for member in found])

    @operation("members_create", scope=Scope.ADMIN, body=CreateMemberBody, response=MemberJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create a member."""
        body = read_body(request, CreateMemberBody)
        organization = key_of(request).organization
        return Response(
            member_json(create_member(organization, body["name"], by=actor_of(request)))
        )


class MemberDetail(ApiView):
    @operation("members_retrieve", scope=Scope.ADMIN, response=MemberJSON)
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Retrieve a member."""
        return Response(member_json(find(members_of(request), member_id)))

    @operation("members_update", scope=Scope.ADMIN, body=UpdateMemberBody, response=MemberJSON)
    def patch(self, request: Request, member_id: str) -> HttpResponse:
        """Rename, activate or deactivate a member."""
        member = find(members_of(request), member_id)
        body = read_body(request, UpdateMemberBody)
        return Response(member_json(update_member(member, by=actor_of(request), **body)))


class AuditEventList(ApiView):
    @operation(
        "audit_events_list", ListAuditEventsQuery, scope=Scope.ADMIN, response=list[AuditEventJSON]
    )
    def get(self, request: Request) -> HttpResponse:
        """List the events of the audit log, newest first."""
        query = read_query(request, ListAuditEventsQuery)
        every = AuditEvent.objects.in_organization(key_of(request).organization_id)
        found = page(matching_audit_events(every, query), query, cursors=every, prefix="audit")
        return Response([audit_event_json(event) for event in found])
