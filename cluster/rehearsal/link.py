"""A slow link: link.py LISTEN_HOST LISTEN_PORT TO_HOST TO_PORT DELAY_S [CUT_FILE].

Forwards TCP with a delay each way: this kernel may lack netem. While CUT_FILE exists the link is
cut: what is open hangs, as it does when a cable is pulled, and nothing new gets through.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

CHUNK = 65536
LOOK_S = 0.05


class Link:
    """One direction after the other, each in the order the bytes came."""

    def __init__(self, to: tuple[str, int], delay_s: float, cut: Path | None) -> None:
        """Remember where to, how slowly, and what cuts it."""
        self._to = to
        self._delay_s = delay_s
        self._cut = cut

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        await self._open()
        try:
            back, there = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(self._carry(reader, there))
            both.create_task(self._carry(back, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read(reader, queue))
            both.create_task(self._write(writer, queue))

    async def _read(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        clock = asyncio.get_running_loop().time
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            queue.put_nowait((clock() + self._delay_s, data))

    async def _write(
        self, writer: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - clock()))
            await self._open()
            with suppress(OSError):
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

    async def _open(self) -> None:
        while self._cut is not None and self._cut.exists():  # noqa: ASYNC110  others make the file
            await asyncio.sleep(LOOK_S)


async def _serve(arguments: list[str]) -> None:
    host, port, to_host, to_port, delay_s, *cut = arguments
    link = Link((to_host, int(to_port)), float(delay_s), Path(cut[0]) if cut else None)
    server = await asyncio.start_server(link.take, host, int(port))
    sys.stdout.write("link\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
