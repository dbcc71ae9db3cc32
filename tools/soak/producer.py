# SPDX-License-Identifier: Apache-2.0
"""A producer of messages for one topic, by librdkafka itself: each message to the partition it is meant for, in order, at once."""
import ctypes

COPY, PRODUCER = 2, 0


class Producer:
    def __init__(self, brokers, topic):
        self.rd = rd = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
            getattr(rd, name).restype = ctypes.c_void_p
        for name in ("rd_kafka_poll", "rd_kafka_flush", "rd_kafka_destroy", "rd_kafka_topic_destroy"):
            getattr(rd, name).argtypes = [ctypes.c_void_p] + [ctypes.c_int] * (name in ("rd_kafka_poll", "rd_kafka_flush"))
        rd.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
        rd.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        rd.rd_kafka_topic_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        rd.rd_kafka_produce.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
        text, conf = ctypes.create_string_buffer(256), rd.rd_kafka_conf_new()
        for name, value in (("bootstrap.servers", brokers), ("linger.ms", "5"), ("message.max.bytes", "4000000"), ("reconnect.backoff.max.ms", "500"), ("log_level", "2"),
                            ("max.in.flight.requests.per.connection", "1"), ("request.timeout.ms", "120000"), ("socket.timeout.ms", "120000")):
            if rd.rd_kafka_conf_set(conf, name.encode(), value.encode(), text, 256):
                raise SystemExit("soak: %s" % text.value.decode())
        self.rk = rd.rd_kafka_new(PRODUCER, conf, text, 256)
        self.topic = rd.rd_kafka_topic_new(self.rk, topic.encode(), None)

    def send(self, partition, text):
        data = text.encode()
        while self.rd.rd_kafka_produce(self.topic, partition, COPY, data, len(data), None, 0, None):
            self.rd.rd_kafka_poll(self.rk, 100)  # its queue is full

    def poll(self):
        self.rd.rd_kafka_poll(self.rk, 0)

    def flush(self):
        self.rd.rd_kafka_flush(self.rk, 60000)

    def close(self):
        self.rd.rd_kafka_topic_destroy(self.topic)
        self.rd.rd_kafka_destroy(self.rk)
