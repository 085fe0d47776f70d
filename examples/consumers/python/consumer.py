import json
import logging
import os
import re
import signal
import time
from datetime import datetime, timezone

import bson
from confluent_kafka import Consumer, KafkaException
from pymongo import MongoClient, UpdateOne
from pymongo.errors import PyMongoError

running = True


def stop(*_):
    global running
    running = False


def write_of(message):
    """Returns the write of a record. Raises an exception if the record is not a state."""
    if message.error():
        raise KafkaException(message.error())
    key, headers, value = message.key().decode(), dict(message.headers() or []), message.value()
    if headers["ce_type"] != b"user.state.v1" or not re.fullmatch(rb"[0-9]{10}", headers["ce_sequence"]):
        raise ValueError
    if value is None:  # The user was deleted.
        user = {"deleted": True, "deletedAt": datetime.now(timezone.utc)}
    else:
        # Integers become doubles, because MongoDB has none above 2^63.
        user = json.loads(value, parse_int=float)
        if user.pop("id") != key:
            raise ValueError
    user |= {"_id": key, "version": int(headers["ce_sequence"])}
    bson.encode(user)  # Raises an exception if MongoDB cannot store it.
    # In one atomic step: the document stays if its version is greater.
    newer = {"$cond": [{"$gt": ["$version", user["version"]]}, "$$ROOT", {"$literal": user}]}
    return UpdateOne({"_id": key}, [{"$replaceWith": newer}], upsert=True)


def write(users, writes):
    """Writes a batch. Returns False if the consumer stops before that. A repeated write does no harm."""
    while writes:
        try:
            users.bulk_write(writes)
            break
        except PyMongoError as error:  # Without its text, which may have members of users.
            logging.error("MongoDB: %s", type(error).__name__)
            if not running:
                return False
            time.sleep(1)
    return True


logging.basicConfig(level=logging.INFO)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
mongodb = MongoClient(os.getenv("MONGODB_URI", "mongodb://localhost:27017"), w="majority", timeoutMS=10_000)
users = mongodb[os.getenv("MONGODB_DATABASE", "consumers")][os.getenv("COLLECTION", "python")]
kafka = Consumer({"bootstrap.servers": os.getenv("KAFKA_BROKERS", "localhost:9092"), "socket.timeout.ms": 10_000,
                  "group.id": os.getenv("GROUP", "consumer-python"), "session.timeout.ms": 10_000,
                  "enable.auto.commit": False, "auto.offset.reset": "earliest"})
kafka.subscribe([os.getenv("STATE_TOPIC", "user.state")])
while running:
    messages, writes = kafka.consume(500, timeout=0.2), []
    for message in messages:
        try:
            writes.append(write_of(message))
        except Exception as error:  # Without its text, which may have members of the record.
            logging.error("skipped: partition %s, offset %s: %s", message.partition(), message.offset(), type(error).__name__)
    try:
        if messages and write(users, writes):
            kafka.commit(asynchronous=False)
    except KafkaException as error:  # The next commit includes these offsets. After a rebalance, the records come again.
        logging.error("not committed: %s", error)
kafka.close()
