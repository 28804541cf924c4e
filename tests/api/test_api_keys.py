"""API keys, members and the audit log over HTTP, with keys of scope admin."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from conversations.models import ApiKey, AuditEvent, Member

from ..factories import make_member

KEYS = "/v1/api-keys/"
MEMBERS = "/v1/members/"


@pytest.fixture
def admin(client_for, alice) -> APIClient:
    return client_for(alice, scope="admin")


def client_with(secret: str) -> APIClient:
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    client.default_format = "json"
    return client


def status_with(secret: str) -> int:
    return client_with(secret).get("/v1/agents/").status_code


def test_created_key_works_and_shows_its_secret_once(admin, alice):
    made = admin.post(KEYS, {"name": "nightly", "scope": "read"}).json()

    secret = made.pop("secret")
    assert status_with(secret) == 200
    assert client_with(secret).post("/v1/agents/").status_code == 403
    assert (made["member_id"], made["created_by_id"]) == (alice.pk, alice.pk)
    retrieved = admin.get(f"{KEYS}{made['id']}")
    assert retrieved.json() == made | {"last_used_at": retrieved.json()["last_used_at"]}
    assert secret not in admin.get(KEYS).content.decode()
    assert ApiKey.objects.get(pk=made["id"]).digest not in retrieved.content.decode()


@pytest.mark.parametrize(
    ("body", "days"),
    [({}, 365), ({"expires_at": None}, None), ({"expires_at": "2100-01-01T00:00:00Z"}, "2100")],
    ids=["default", "never", "given"],
)
def test_key_expires_by_default(admin, body, days):
    expires_at = admin.post(KEYS, body).json()["expires_at"]

    if days == 365:
        found = ApiKey.objects.latest("created_at").expires_at - timezone.now()
        assert timedelta(days=364) < found <= timedelta(days=365)
    elif days is None:
        assert expires_at is None
    else:
        assert expires_at.startswith(days)


def test_default_lifetime_is_a_setting(admin, configure):
    configure(API_KEY_LIFETIME=7)

    admin.post(KEYS, {})

    found = ApiKey.objects.latest("created_at").expires_at - timezone.now()
    assert timedelta(days=6) < found <= timedelta(days=7)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"scope": "root"}, 422, "scope: expected one of 'read', 'converse', 'write', 'admin'"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422, "expires_at: expected a time in the future"),
        ({"expires_at": "soon"}, 422, "expires_at: expected a time in ISO 8601"),
        ({"member_id": "bob"}, 422, "member_id: expected user-<uuid4>"),
        ({"name": "n" * 201}, 422, "name: "),
    ],
)
def test_invalid_key_is_refused(admin, body, status, says):
    reply = admin.post(KEYS, body)

    assert (reply.status_code, reply.json()["detail"][: len(says)]) == (status, says)
    assert ApiKey.objects.count() == 1


def test_key_of_another_organizations_member_is_404(admin, mallory):
    reply = admin.post(KEYS, {"member_id": mallory.pk})

    assert reply.status_code == 404
    assert ApiKey.objects.count() == 1


def test_only_superuser_creates_key_of_superuser(admin, bob):
    bob.user.is_superuser = True
    bob.user.save()

    reply = admin.post(KEYS, {"member_id": bob.pk})

    assert reply.status_code == 403
    assert ApiKey.objects.count() == 1


def test_rotated_key_and_successor_both_work_until_overlap_ends(admin, bob):
    old = admin.post(KEYS, {"member_id": bob.pk, "name": "ci", "scope": "converse"}).json()

    new = admin.post(f"{KEYS}{old['id']}/rotate", {"overlap_seconds": 3600}).json()

    assert [new[name] for name in ("member_id", "name", "scope", "replaces_id")] == [
        *(bob.pk, "ci", "converse", old["id"])
    ]
    assert status_with(old["secret"]) == status_with(new["secret"]) == 200
    left = ApiKey.objects.get(pk=old["id"]).expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    ApiKey.objects.filter(pk=old["id"]).update(expires_at=timezone.now())
    assert (status_with(old["secret"]), status_with(new["secret"])) == (401, 200)


def test_successor_has_the_lifetime_of_the_rotated_key(admin):
    lifetime = timedelta(days=30)
    expires_at = (timezone.now() + lifetime).isoformat()
    limited = admin.post(KEYS, {"expires_at": expires_at}).json()
    unlimited = admin.post(KEYS, {"expires_at": None}).json()

    for key in (limited, unlimited):
        admin.post(f"{KEYS}{key['id']}/rotate")

    found = ApiKey.objects.get(replaces=limited["id"]).expires_at - timezone.now()
    assert lifetime - timedelta(minutes=1) < found <= lifetime
    assert ApiKey.objects.get(replaces=unlimited["id"]).expires_at is None


def test_rotation_without_overlap_ends_the_old_key(admin):
    old = admin.post(KEYS, {}).json()

    new = admin.post(f"{KEYS}{old['id']}/rotate", {"overlap_seconds": 0}).json()

    assert (status_with(old["secret"]), status_with(new["secret"])) == (401, 200)


def test_key_is_rotated_once_and_while_it_is_valid(admin):
    rotated, revoked = admin.post(KEYS, {}).json(), admin.post(KEYS, {}).json()
    admin.post(f"{KEYS}{rotated['id']}/rotate")
    admin.post(f"{KEYS}{revoked['id']}/revoke")
    before = ApiKey.objects.count()

    replies = [admin.post(f"{KEYS}{key['id']}/rotate") for key in (rotated, revoked)]

    assert [reply.status_code for reply in replies] == [409, 409]
    assert ApiKey.objects.count() == before


def test_overlap_has_a_maximum(admin):
    key = admin.post(KEYS, {}).json()

    reply = admin.post(f"{KEYS}{key['id']}/rotate", {"overlap_seconds": 2_592_001})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("overlap_seconds: expected at most 2592000")


def test_revoked_key_is_refused_and_stays_listed(admin):
    key = admin.post(KEYS, {}).json()

    reply = admin.post(f"{KEYS}{key['id']}/revoke")

    assert reply.json()["state"] == "revoked"
    assert status_with(key["secret"]) == 401
    listed = {row["id"]: row["state"] for row in admin.get(KEYS).json()}
    assert listed[key["id"]] == "revoked"


def test_list_filters_and_pages(admin, alice, bob):
    first = admin.post(KEYS, {"member_id": bob.pk}).json()
    second = admin.post(KEYS, {"member_id": bob.pk}).json()
    admin.post(f"{KEYS}{first['id']}/revoke")

    def ids(query: str) -> list[str]:
        return [row["id"] for row in admin.get(f"{KEYS}?{query}").json()]

    own = ApiKey.objects.get(member=alice).pk
    assert ids("") == [second["id"], first["id"], own]
    assert ids(f"member_id={bob.pk}") == [second["id"], first["id"]]
    assert ids("active=true") == [second["id"], own]
    assert ids("active=false") == [first["id"]]
    assert ids(f"limit=1&after={second['id']}") == [first["id"]]


def test_keys_of_other_organizations_are_not_listed(admin, client_for, mallory):
    other = client_for(mallory, scope="admin")

    assert len(admin.get(KEYS).json()) == len(other.get(KEYS).json()) == 1
    assert admin.get(KEYS).json() != other.get(KEYS).json()


def test_member_is_created_renamed_and_deactivated(admin, alice):
    made = admin.post(MEMBERS, {"name": "importer"}).json()
    secret = admin.post(KEYS, {"member_id": made["id"]}).json()["secret"]

    admin.patch(f"{MEMBERS}{made['id']}", {"name": "nightly importer"})
    assert status_with(secret) == 200
    admin.patch(f"{MEMBERS}{made['id']}", {"is_active": False})

    member = Member.objects.get(pk=made["id"])
    assert (member.name, member.organization) == ("nightly importer", alice.organization)
    assert status_with(secret) == 401
    assert [row["name"] for row in admin.get(f"{MEMBERS}?active=true").json()] == ["alice"]


def test_name_of_member_is_taken(admin, bob):
    reply = admin.post(MEMBERS, {"name": "bob"})
    renamed = admin.patch(f"{MEMBERS}{bob.pk}", {"name": "alice"})

    assert (reply.status_code, renamed.status_code) == (409, 409)
    assert sorted(Member.objects.values_list("name", flat=True)) == ["alice", "bob"]


def test_member_cannot_deactivate_itself(admin, alice):
    assert admin.patch(f"{MEMBERS}{alice.pk}", {"is_active": False}).status_code == 409
    alice.refresh_from_db()
    assert alice.is_active


def test_audit_log_tells_who_did_what_with_which_key(admin, alice, bob):
    own = ApiKey.objects.get()
    made = admin.post(KEYS, {"member_id": bob.pk, "scope": "read"}).json()
    admin.post(f"{KEYS}{made['id']}/revoke")

    [revoked, created, *_] = admin.get("/v1/audit-events/").json()

    assert [created["action"], revoked["action"]] == ["api_key.created", "api_key.revoked"]
    for event in (created, revoked):
        assert (event["actor"], event["member_id"]) == ("alice", alice.pk)
        assert (event["key_id"], event["source"]) == (own.pk, "api")
        assert (event["object_type"], event["object_id"]) == ("apikey", made["id"])
    assert created["details"]["scope"] == "read"
    assert made["secret"] not in str(AuditEvent.objects.values())


def test_audit_log_is_filtered_and_of_own_organization(admin, client_for, alice, mallory):
    make_member(mallory.organization)
    admin.post(MEMBERS, {"name": "importer"})

    def events(query: str) -> list[tuple[str, str]]:
        rows = admin.get(f"/v1/audit-events/?{query}").json()
        return [(row["action"], row["details"].get("name")) for row in rows]

    [event] = events(f"member_id={alice.pk}")
    assert event == ("member.created", "importer")
    names = {name for _, name in events("action=member.created")}
    assert names == {"alice", "importer"}
    assert events("end_date=2001-01-01T00:00:00Z") == []
    assert admin.get("/v1/audit-events/?action=nonsense").status_code == 422


def test_refused_request_leaves_no_event(admin):
    before = AuditEvent.objects.count()

    admin.post(KEYS, {"expires_at": "2001-01-01T00:00:00Z"})

    assert AuditEvent.objects.count() == before
