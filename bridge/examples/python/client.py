"""Sends what a job has to send, once, and prints what is said: client.py <credentials> <conversation> <job> <count>"""

import asyncio
import json
import sys

import nats
from nats.errors import Error, TimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

ANSWER_S = 5
AGAIN_S = 0.5


async def ask(nc, subject, body):
    """Asks until there is an answer that stays. What was not answered may have been done: the key tells."""
    while True:
        try:
            reply = json.loads((await nc.request(subject, json.dumps(body).encode(), timeout=ANSWER_S)).data)
        except Error:
            await asyncio.sleep(AGAIN_S)
            continue
        passing = reply.get("refused") or next((e["extensions"] for e in reply.get("errors", [])), {})
        if not passing.get("retryable"):
            return reply
        await asyncio.sleep((passing.get("retryAfterMs") or AGAIN_S * 1000) / 1000)


async def send(nc, app, conversation, job, count):
    for n in range(1, count + 1):
        # The same job again has the same keys, and each key is one message, for ever.
        body = {"conversationId": conversation, "clientKey": f"{job}-{n}", "text": f"{job} {n}"}
        reply = await ask(nc, f"chat.app.{app}.cmd.send", body)
        if "accepted" not in reply:
            raise SystemExit(f"not sent: {reply}")
        accepted = reply["accepted"]
        print("accepted", n, accepted["seq"], "again" if accepted["repeated"] else "", flush=True)


async def read(nc, app):
    # An event comes when the one before it is done: in order, whatever happens.
    config = ConsumerConfig(
        durable_name="example",
        filter_subject=f"chat.app.{app}.event.>",
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=10,
        max_ack_pending=1,
    )
    js = nc.jetstream(timeout=ANSWER_S)
    while True:
        try:
            # The stream is made when the bridge first hears of the integration.
            await js.add_consumer(f"APP_{app}", config)
            break
        except Error:
            await asyncio.sleep(AGAIN_S)
    events = await js.pull_subscribe_bind(consumer="example", stream=f"APP_{app}")
    while True:
        try:
            messages = await events.fetch(1, timeout=5)
        except (TimeoutError, asyncio.TimeoutError):
            continue
        for message in messages:
            event = json.loads(message.data)
            text = (event.get("message") or {}).get("text") or ""
            print("got", event["conversationId"], event["seq"], event["type"], text, flush=True)
            await message.ack()


async def main(path, conversation, job, count):
    with open(path, encoding="utf-8") as file:
        who = json.load(file)
    at = who["nats"]
    nc = await nats.connect(
        servers=at["url"].split(","),
        user=at["user"],
        password=at["password"],
        # Without the prefix no answer comes.
        inbox_prefix=at["inboxPrefix"],
        max_reconnect_attempts=-1,
    )
    await asyncio.gather(send(nc, who["app"], conversation, job, int(count)), read(nc, who["app"]))


asyncio.run(main(*sys.argv[1:]))
