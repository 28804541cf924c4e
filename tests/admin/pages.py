"""Read and submit the console's forms as a browser does."""

from html.parser import HTMLParser

from django.urls import reverse


class FormParser(HTMLParser):
    """Collect the values that the form with this id would submit, without buttons."""

    def __init__(self, form_id: str):
        super().__init__()
        self.form_id = form_id
        self.data: dict[str, object] = {}
        self.inside = False
        self.textarea: str | None = None
        self.select: str | None = None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        name = attrs.get("name")
        if tag == "form":
            self.inside = attrs.get("id") == self.form_id
        elif not self.inside or (not name and tag != "option") or "form" in attrs:
            return
        elif tag == "textarea":
            self.textarea = name
            self.data[name] = ""
        elif tag == "select":
            self.select = name
            self.data.setdefault(name, "")
        elif tag == "option" and self.select and "selected" in attrs:
            self.data[self.select] = attrs.get("value", "")
        elif tag == "input" and attrs.get("type") == "checkbox":
            if "checked" in attrs:
                self.data[name] = attrs.get("value", "on")
        elif tag == "input" and attrs.get("type") != "submit":
            self.data[name] = attrs.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False
        elif tag == "textarea" and self.textarea:
            # HTML drops the first line end of a textarea, and sends the others as CR LF.
            text = self.data[self.textarea].removeprefix("\n")
            self.data[self.textarea] = text.replace("\n", "\r\n")
            self.textarea = None
        elif tag == "select":
            self.select = None

    def handle_data(self, data):
        if self.textarea:
            self.data[self.textarea] += data


def fields_of(response, form_id: str) -> dict[str, object]:
    """Return the values that an unedited form would submit."""
    parser = FormParser(form_id)
    parser.feed(response.content.decode())
    assert parser.data, f"the page has no form {form_id}"
    return parser.data


def change_url(row) -> str:
    return reverse(f"admin:conversations_{row._meta.model_name}_change", args=[row.pk])


def list_url(model) -> str:
    return reverse(f"admin:conversations_{model._meta.model_name}_changelist")


def add_url(model) -> str:
    return reverse(f"admin:conversations_{model._meta.model_name}_add")


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def open_form(client, row) -> dict[str, object]:
    response = client.get(change_url(row))
    assert response.status_code == 200
    return fields_of(response, f"{row._meta.model_name}_form")


def save_form(client, row, data):
    """Save the form; return the page after the redirect."""
    return client.post(change_url(row), data, follow=True)
