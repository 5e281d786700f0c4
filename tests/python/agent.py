"""An agent: calls tools by the Model Context Protocol. agent.py URL MODE, MODE as `mcp.Client` has it.

Writes what the server says of itself as a line of JSON, then reads calls, `["tool", {arguments}]` a line, and writes a
line for each.
"""

import asyncio
import json
import sys

from mcp import Client, MCPError


def told(value):
    print(json.dumps(value), flush=True)


async def main(url, mode):
    async with Client(url, mode=mode) as client:
        tools = (await client.list_tools()).tools
        told(
            {
                "hello": {
                    "name": client.server_info.name,
                    "instructions": client.instructions,
                    "protocol": client.protocol_version,
                },
                "tools": {tool.name: tool.model_dump(mode="json", by_alias=True) for tool in tools},
            }
        )
        for at, line in enumerate(iter(sys.stdin.readline, "")):
            tool, arguments = json.loads(line)
            try:
                result = await client.call_tool(tool, arguments)
            except MCPError as error:
                told({"call": at, "refused": str(error)})
                continue
            told(
                {
                    "call": at,
                    "error": result.is_error,
                    "text": "".join(part.text for part in result.content),
                    "structured": result.structured_content,
                }
            )


asyncio.run(main(*sys.argv[1:]))
