from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.memory.blocks import write_block
from conversations.ids import new_id

from ..factories import actor, make_agent, make_conversation


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human", "persona"])


@pytest.fixture
def conversation(agent):
    conversation = make_conversation(agent, isolated=["human"])
    write_block(conversation.isolations.get().block, by=actor(), value="mine")
    return conversation


def run(*words, **options) -> tuple[list[str], str]:
    out, err = StringIO(), StringIO()
    call_command("overrides", *words, stdout=out, stderr=err, **options)
    return out.getvalue().splitlines(), err.getvalue()


def shared_of(agent):
    return agent.blocks.get(label="human")


def own_of(conversation):
    return conversation.isolations.get(label="human").block


def test_list_prints_one_line_per_isolated_block(agent, conversation):
    other = make_conversation(agent, isolated=["persona"])

    lines, _ = run("list")

    assert lines == [
        f"{conversation.pk}\thuman\tisolated_changed\t2",
        f"{other.pk}\tpersona\tin_sync\t1",
    ]
    assert run("list", "--drift", "in_sync")[0] == lines[1:]
    assert run("list", "--label", "human", "--agent", agent.pk)[0] == lines[:1]
    assert run("list", "--organization", agent.organization.name)[0] == lines


def test_diff_has_color_only_on_terminal(conversation):
    lines, _ = run("diff", "--conversation", conversation.pk)
    colored, _ = run("diff", force_color=True)

    assert lines == [
        f"{conversation.pk}\thuman\tisolated_changed",
        *("--- shared", "+++ isolated", "@@ -1 +1 @@", "-about human", "+mine"),
    ]
    assert all("\x1b[" in line for line in colored)


def test_promote_writes_only_without_dry_run(agent, conversation):
    words = ["promote", "--conversation", conversation.pk, "--label", "human"]

    _, dry = run(*words, "--dry-run")
    assert shared_of(agent).value == "about human"
    lines, wet = run(*words)

    assert "would be written. Read by agents: 1, conversations: 1." in dry
    assert "was written" in wet
    assert lines == [f"{shared_of(agent).pk}\thuman\t2"]
    assert shared_of(agent).revisions.first().source == "promote"


def test_promote_over_changed_shared_block_needs_force(agent, conversation):
    write_block(shared_of(agent), by=actor(), value="theirs")
    words = ["promote", "--conversation", conversation.pk, "--label", "human"]

    with pytest.raises(CommandError, match="has changed since it was isolated"):
        run(*words)
    run(*words, "--force")

    assert shared_of(agent).value == "mine"


def test_reset_and_rebase_print_each_conversation(agent, conversation):
    calm = make_conversation(agent, isolated=["human"])
    write_block(shared_of(agent), by=actor(), value="theirs")
    words = ["--agent", agent.pk, "--label", "human"]

    lines, summary = run("rebase", *words)
    dry, _ = run("reset", *words, "--dry-run")
    reset, _ = run("reset", *words, "--drift", "diverged")

    assert lines[1] == f"{calm.pk}\tapplied\tshared_changed"
    assert lines[0].startswith(f"{conversation.pk}\tconflict\t")
    assert summary.startswith("1 applied, 1 conflict.\n")
    assert "--resolution FILE" in summary
    assert dry == [f"{conversation.pk}\tapplied\tdiverged", f"{calm.pk}\tunchanged"]
    assert reset == [f"{conversation.pk}\tapplied\tdiverged"]
    assert own_of(conversation).value == "theirs"


def test_resolution_file_resolves_conflict(agent, conversation, tmp_path):
    write_block(shared_of(agent), by=actor(), value="theirs")
    resolution = tmp_path / "resolution.txt"
    resolution.write_text("both of ours", encoding="utf-8")
    words = ["rebase", "--conversation", conversation.pk, "--label", "human", "--resolution"]

    run(*words, str(resolution))

    assert own_of(conversation).value == "both of ours"
    with pytest.raises(CommandError, match="can't read"):
        run(*words, str(tmp_path / "missing.txt"))


def test_release_applies_to_all_selected(agent, conversation):
    lines, summary = run("release", "--agent", agent.pk, "--label", "human")

    assert (lines, summary) == ([f"{conversation.pk}\tapplied"], "1 applied.\n")
    assert conversation.isolations.count() == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["reset"], "needs --label, and --agent or --conversation"),
        (
            ["reset", "--label", "mood", "--conversation", "{conversation}"],
            "its labels are 'human', 'persona'",
        ),
        (["release", "--label", "human"], "needs --label, and --agent or --conversation"),
        (["list", "--agent", "agent-1"], "agent-<uuid>"),
        (["list", "--agent", new_id("agent")], "No agent"),
        (["list", "--organization", "Nobody"], "Nobody"),
        (["list", "--drift", "lost"], "invalid choice: 'lost'"),
        (
            ["promote", "--label", "mood", "--conversation", "{conversation}"],
            "Expected one isolated block, found none",
        ),
    ],
)
def test_invalid_arguments_write_nothing(conversation, words, error):
    with pytest.raises(CommandError, match=error):
        run(*[word.format(conversation=conversation.pk) for word in words])

    assert own_of(conversation).value == "mine"
