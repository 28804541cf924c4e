from django.apps import apps

from conversations.models import ApiKey, AuditAction, AuditEvent


def stored() -> dict[str, list[dict]]:
    """Return every row, but no API keys, which store when they were last used."""
    models = apps.get_app_config("conversations").get_models()
    rows = {model: model.objects.order_by("pk") for model in models if model is not ApiKey}
    rows[AuditEvent] = rows[AuditEvent].exclude(action=AuditAction.KEY_CREATED)
    return {model.__name__: list(found.values()) for model, found in rows.items()}
