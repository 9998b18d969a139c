"""`docuquery conversation`: the kept turns of a conversation."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from docuquery.common.v1.answer_pb2 import Outcome
from docuquery.common.v1.conversation_pb2 import Conversation
from docuquery.gateway.v1.docuquery_service_pb2 import DeleteConversationResponse
from docuquery_client.cli.console import clean, output, print_json
from docuquery_client.cli.options import JsonFlag
from docuquery_client.cli.session import session_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.names import enum_name

app = typer.Typer(help="Shows and deletes conversations.", no_args_is_help=True)

ConversationArgument = Annotated[
    str, typer.Argument(metavar="CONVERSATION", help="The name given to `ask --conversation`.")
]


@app.command("show")
def show_conversation(
    ctx: typer.Context, conversation: ConversationArgument, as_json: JsonFlag = False
) -> None:
    """Shows the kept questions and answers, oldest first."""

    async def call(client: AsyncDocuQuery) -> Conversation:
        return await client.get_conversation(conversation)

    shown = session_of(ctx).run(call)
    if as_json:
        print_json(shown)
        return
    console = output()
    for turn in shown.turns:
        console.print(Text(f"? {clean(turn.question)}", style="bold"), soft_wrap=not console.is_terminal)
        console.print(Text(clean(turn.answer)), soft_wrap=not console.is_terminal)
        console.print(Text(enum_name(Outcome, turn.outcome), style="dim"))
        console.print()


@app.command("delete")
def delete_conversation(ctx: typer.Context, conversation: ConversationArgument) -> None:
    """Forgets a conversation."""

    async def call(client: AsyncDocuQuery) -> DeleteConversationResponse:
        return await client.delete_conversation(conversation)

    reply = session_of(ctx).run(call)
    output().print(f"Deleted {clean(conversation)} ({reply.deleted_turn_count} turns).")
