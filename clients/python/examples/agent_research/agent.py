# SPDX-License-Identifier: Apache-2.0
"""An agent that answers a question in steps, and continues after its last step when it was killed.

Each step is one transaction: its result, under a key that must not exist yet. A step whose commit was not answered
before the kill is either stored completely or done again."""

import argparse
import time

from statehouse import ConflictError, Statehouse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("agent", help="the id of the agent")
parser.add_argument("--url", default="localhost:50051", help="host and port of the state")
parser.add_argument("--seconds", type=float, default=1.0, help="how long a step takes")
arguments = parser.parse_args()
client = Statehouse(arguments.url)


def read(key):
    return client.get_state(agent_id=arguments.agent, key=key).value


def question():
    return {"text": "What is the capital of France?"}


def sources():
    return {"of": read("question")["text"], "names": ["an atlas", "an encyclopedia"]}


def notes():
    return [{"source": name, "fact": "Paris is the capital of France"} for name in read("sources")["names"]]


def answer():
    return {"text": "Paris", "because": read("notes")}


done = client.list_keys(agent_id=arguments.agent)
if done:
    print("continues after:", ", ".join(done), flush=True)
for step in (question, sources, notes, answer):
    if step.__name__ in done:
        continue
    result = step()
    time.sleep(arguments.seconds)  # slow work, before the transaction
    try:
        with client.begin_transaction() as tx:
            tx.write(agent_id=arguments.agent, key=step.__name__, value=result, if_version=0)
    except ConflictError:
        raise SystemExit(f"another process is working as {arguments.agent}")
    print("done:", step.__name__, flush=True)
print("answer:", read("answer")["text"])
