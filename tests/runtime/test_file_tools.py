"""The tools by which a model reads the files of its agent's folders."""

import json
from asyncio import run

import pytest

from conversations.domain.folders.files import Upload
from conversations.domain.folders.folders import attach_folder
from conversations.models import Passage
from conversations.runtime.file_reader import Unreadable, read_text

from ..factories import actor, make_agent, make_conversation, make_file, make_folder
from ..script import call, say, script
from .processes import until
from .streams import stream

EMBEDDING = "openai/text-embedding-3-small"


def pdf_of(text: str) -> bytes:
    """Return a PDF of one page."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R"
        "/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj{content}endobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"trailer<</Root 1 0 R/Size 6>>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 6\n0000000000 65535 f \n{table}{end}".encode()


@pytest.fixture
def folder(transactional_db, alice):
    return make_folder(alice, name="Notes", embedding=EMBEDDING)


@pytest.fixture
def agent(alice, folder):
    agent = make_agent(alice)
    attach_folder(agent, folder, by=actor(alice))
    return agent


@pytest.fixture
def ask(client_for, alice, agent, model):
    """Return a function that lets the model call a tool and returns its result."""
    client, conversation = client_for(alice), make_conversation(agent)

    def call_tool(name: str, **arguments: object) -> tuple[str, str]:
        events = stream(client, conversation, script(call(name, **arguments), say("ok")))
        [result] = [e for e in events if e["message_type"] == "tool_return_message"]
        return result["status"], result["tool_return"]

    return call_tool


def test_opened_lines_are_returned_and_in_the_next_prompt(ask, folder, model):
    make_file(folder, "\n".join(f"line {number}" for number in range(9)))

    result = ask(
        "open_files", file_requests=[{"file_name": "Notes/a.txt", "offset": 2, "length": 2}]
    )
    ask("grep_files", pattern="nothing")

    shown = "[Viewing lines 3 to 4 (out of 9 lines)]\n3: line 2\n4: line 3"
    assert result == ("success", f"Notes/a.txt\n{shown}")
    assert shown in model.requests[-1]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"file_name": "Notes/none.txt"}, "no attached folder has 'Notes/none.txt'"),
        ({"file_name": "Notes/a.txt", "offset": -1}, "offset: expected at least 0"),
        ({"file_name": "Notes/a.txt", "length": 0}, "length: expected at least 1"),
        ({"file_name": "Notes/a.txt", "mode": "x"}, "takes no mode"),
        ({"offset": 1}, "needs file_name"),
    ],
)
def test_wrong_request_for_a_file_is_told(ask, folder, request_, problem):
    make_file(folder)

    status, text = ask("open_files", file_requests=[request_])

    assert status == "error"
    assert problem in text


def test_opening_beyond_the_limit_closes_the_oldest(ask, folder, agent):
    agent.max_files_open = 1
    agent.save()
    make_file(folder, "1", name="1.txt")
    make_file(folder, "2", name="2.txt")

    ask("open_files", file_requests=[{"file_name": "Notes/1.txt"}])
    _, text = ask("open_files", file_requests=[{"file_name": "Notes/2.txt"}])

    assert text.endswith("Closed: Notes/1.txt")


def test_grep_shows_lines_with_context_and_pages(ask, folder):
    make_file(folder, "zero\nOne tide\ntwo")
    make_file(folder, "tide\n" * 30, name="b.md")

    _, first = ask("grep_files", pattern=r"\btide\b", include="*.txt")
    _, page = ask("grep_files", pattern="tide", include="Notes/*.md", context_lines=0, offset=20)

    assert first == ("Matches 1 to 1 of 1\n\nNotes/a.txt\n  1: zero\n> 2: One tide\n  3: two")
    assert page.startswith("Matches 21 to 30 of 30\n\nNotes/b.md\n> 21: tide")


def test_grep_bounds_patterns(ask, folder):
    make_file(folder, "a" * 50_000)

    assert "(a+)+$" in ask("grep_files", pattern="(a+)+$b")[1]
    status, text = ask("grep_files", pattern="(")
    assert (status, "not a regular expression" in text) == ("error", True)


def test_files_are_found_by_meaning(ask, folder):
    make_file(folder, "The harbor freezes in March.")
    make_file(folder, "Coffee at nine.", name="b.txt")
    with_vectors = Passage.objects.filter(dimensions=1536)
    until(lambda: with_vectors.count() == 2, seconds=60, what="the worker embeds the chunks")

    _, text = ask("semantic_search_files", query="winter port", limit=1)

    assert json.loads(text) == [
        {"file_name": "Notes/a.txt", "content": "The harbor freezes in March."}
    ]


def test_tools_find_nothing_of_other_agents(ask, alice):
    make_file(make_folder(alice, name="Private"), "secret plans")

    assert ask("semantic_search_files", query="secret") == ("success", "[]")
    assert "0 in all" in ask("grep_files", pattern="secret")[1]
    assert ask("open_files", file_requests=[{"file_name": "Private/a.txt"}])[0] == "error"


def test_text_of_pdf_is_read():
    assert (
        run(read_text(Upload("file-1", "a.pdf", pdf_of("Harbor freezes")))).strip()
        == "Harbor freezes"
    )


def test_pdf_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr("conversations.runtime.file_reader.PDF_TIMEOUT", 0.01)

    with pytest.raises(Unreadable, match="longer than"):
        run(read_text(Upload("file-1", "a.pdf", pdf_of("Harbor freezes"))))
