"""Health, models and tags."""

from common import MODEL, connect, equal, passed

client = connect()
equal(client.health().status, "ok")
equal(connect("wrong").health().status, "ok")
handles = [model.handle for model in client.models.list()]
equal("scripted/demo" in handles, True)
for model in client.models.list():
    equal((model.handle, model.context_window > 0), (f"{model.provider_name}/{model.name}", True))

equal(list(client.tags.list()), [])
for tags in (["b", "a"], ["b", "c"]):
    client.agents.create(model=MODEL, tags=tags)
equal(list(client.tags.list()), ["a", "b", "c"])
equal(list(client.tags.list(order="desc", limit=2)), ["c", "b"])
equal(list(client.tags.list(after="a")), ["b", "c"])
passed()
