/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_config.c -- librdkafka's configuration: what we set, what users may.
 *
 * Users' properties come from an allow-list: a property that loads code, runs a command, or reads a
 * file other than keys and certificates is refused, and so is one that would break a promise
 * (auto commit, acks, offset reset).
 */
#include "base/log.h"
#include "connector/kafka_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

typedef enum side { BOTH, CONSUMER, PRODUCER } side;

static const struct {
    const char *name;
    side        side;
} allowed[] = {
    { "batch.num.messages", PRODUCER },
    { "batch.size", PRODUCER },
    { "broker.address.family", BOTH },
    { "broker.address.ttl", BOTH },
    { "check.crcs", CONSUMER },
    { "client.dns.lookup", BOTH },
    { "client.id", BOTH },
    { "client.rack", BOTH },
    { "compression.level", PRODUCER },
    { "connections.max.idle.ms", BOTH },
    { "enable.idempotence", PRODUCER },
    { "fetch.error.backoff.ms", CONSUMER },
    { "fetch.max.bytes", CONSUMER },
    { "fetch.message.max.bytes", CONSUMER },
    { "fetch.min.bytes", CONSUMER },
    { "fetch.queue.backoff.ms", CONSUMER },
    { "fetch.wait.max.ms", CONSUMER },
    { "group.instance.id", CONSUMER },
    { "heartbeat.interval.ms", CONSUMER },
    { "isolation.level", CONSUMER },
    { "max.in.flight.requests.per.connection", PRODUCER },
    { "max.partition.fetch.bytes", CONSUMER },
    { "max.poll.interval.ms", CONSUMER },
    { "message.max.bytes", BOTH },
    { "message.send.max.retries", PRODUCER },
    { "message.timeout.ms", PRODUCER },
    { "metadata.max.age.ms", BOTH },
    { "partitioner", PRODUCER },
    { "queued.min.messages", CONSUMER },
    { "receive.message.max.bytes", BOTH },
    { "reconnect.backoff.max.ms", BOTH },
    { "reconnect.backoff.ms", BOTH },
    { "request.timeout.ms", PRODUCER },
    { "retry.backoff.max.ms", BOTH },
    { "retry.backoff.ms", BOTH },
    { "sasl.kerberos.keytab", BOTH },
    { "sasl.kerberos.principal", BOTH },
    { "sasl.kerberos.service.name", BOTH },
    { "sasl.mechanism", BOTH },
    { "sasl.mechanisms", BOTH },
    { "sasl.oauthbearer.client.id", BOTH },
    { "sasl.oauthbearer.client.secret", BOTH },
    { "sasl.oauthbearer.method", BOTH },
    { "sasl.oauthbearer.scope", BOTH },
    { "sasl.oauthbearer.token.endpoint.url", BOTH },
    { "sasl.password", BOTH },
    { "sasl.username", BOTH },
    { "security.protocol", BOTH },
    { "session.timeout.ms", CONSUMER },
    { "socket.connection.setup.timeout.ms", BOTH },
    { "socket.keepalive.enable", BOTH },
    { "socket.receive.buffer.bytes", BOTH },
    { "socket.send.buffer.bytes", BOTH },
    { "socket.timeout.ms", BOTH },
    { "ssl.ca.location", BOTH },
    { "ssl.ca.pem", BOTH },
    { "ssl.certificate.location", BOTH },
    { "ssl.certificate.pem", BOTH },
    { "ssl.cipher.suites", BOTH },
    { "ssl.curves.list", BOTH },
    { "ssl.key.location", BOTH },
    { "ssl.key.password", BOTH },
    { "ssl.key.pem", BOTH },
    { "ssl.sigalgs.list", BOTH },
};

/* Known ones that we refuse, with the reason. */
static const struct {
    const char *prefix, *why;
} refused[] = {
    { "acks", "rows are acknowledged by all replicas" },
    { "auto.offset.reset", "say start: and on_gap:" },
    { "bootstrap.servers", "say brokers:" },
    { "compression.codec", "say compression:" },
    { "compression.type", "say compression:" },
    { "enable.auto.", "offsets are committed with checkpoints" },
    { "enable.partition.eof", "idle partitions are found by it" },
    { "enable.ssl.certificate.verification", "certificates are verified" },
    { "group.id", "say group:" },
    { "linger.ms", "say linger:" },
    { "metadata.broker.list", "say brokers:" },
    { "partition.assignment.strategy", "the range assignor keeps topics aligned" },
    { "plugin.library.paths", "it loads code" },
    { "queue.buffering.", "say queue_bytes: and linger:" },
    { "queued.max.messages.kbytes", "say queue_bytes:" },
    { "request.required.acks", "rows are acknowledged by all replicas" },
    { "sasl.kerberos.kinit.cmd", "it runs a command" },
    { "ssl.endpoint.identification.algorithm", "brokers' names are verified" },
    { "ssl.engine.", "it loads code" },
    { "test.mock.", "see weir dev-kafka" },
};

static weir_status
property_check(const char *name, const char *value, bool consumer, weir_error *err)
{
    for (size_t i = 0; i < WR_COUNT(refused); i++)
        if (strncmp(name, refused[i].prefix, strlen(refused[i].prefix)) == 0)
            return wr_error_set(err, WEIR_CONFIG_VALUE, "the property \"%s\" cannot be set: %s",
                                name, refused[i].why);
    for (size_t i = 0; i < WR_COUNT(allowed); i++) {
        if (strcmp(name, allowed[i].name) != 0)
            continue;
        if (allowed[i].side == (consumer ? PRODUCER : CONSUMER))
            return wr_error_set(err, WEIR_CONFIG_VALUE, "the property \"%s\" is for %s", name,
                                consumer ? "sinks" : "sources");
        size_t      n = strlen(name), tail = strlen(".location");
        struct stat st;
        if (n > tail && strcmp(name + n - tail, ".location") == 0 &&
            (stat(value, &st) != 0 || !S_ISREG(st.st_mode)))
            return wr_error_set(err, WEIR_CONFIG_VALUE, "%s: \"%s\" is no file", name, value);
        return WEIR_OK;
    }
    return wr_error_set(err, WEIR_CONFIG_VALUE,
                        "the property \"%s\" is not one of those that may be set", name);
}

static weir_status
property_set(rd_kafka_conf_t *conf, const char *name, const char *value, weir_error *err)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return WEIR_OK;
    return wr_error_set(err, WEIR_CONFIG_VALUE, "%s", text);
}

weir_status
wr_kafka_properties_check(const wr_option_map *properties, bool consumer, weir_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    weir_status      status = WEIR_OK;
    for (uint32_t i = 0; i < properties->count && status == WEIR_OK; i++) {
        status = property_check(properties->keys[i], properties->values[i], consumer, err);
        if (status == WEIR_OK)
            status = property_set(conf, properties->keys[i], properties->values[i], err);
    }
    rd_kafka_conf_destroy(conf);
    return status;
}

static void
kafka_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    wr_log_level as = level <= LOG_ERR      ? WR_LOG_WARN
                      : level <= LOG_NOTICE ? WR_LOG_INFO
                                            : WR_LOG_DEBUG;
    wr_log(as, "kafka", "%s: %s", facility, text);
}

void
wr_kafka_conf_set(rd_kafka_conf_t *conf, const wr_option_map *properties, const char *name,
                  const char *value)
{
    weir_error ignored;
    for (uint32_t i = 0; i < properties->count; i++)
        if (strcmp(properties->keys[i], name) == 0)
            return;
    (void) property_set(conf, name, value, &ignored);
}

rd_kafka_conf_t *
wr_kafka_conf(const char *brokers, const wr_option_map *properties, bool consumer, weir_error *err)
{
    if (wr_kafka_properties_check(properties, consumer, err) != WEIR_OK)
        return NULL;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, kafka_log);
    wr_kafka_conf_set(conf, properties, "log_level", "5");
    wr_kafka_conf_set(conf, properties, "client.id", "weir");
    wr_kafka_conf_set(conf, properties, "socket.keepalive.enable", "true");
    wr_kafka_conf_set(conf, properties, "ssl.endpoint.identification.algorithm", "https");
    wr_kafka_conf_set(conf, properties, "reconnect.backoff.max.ms", "5000");
    weir_status status = property_set(conf, "bootstrap.servers", brokers, err);
    for (uint32_t i = 0; i < properties->count && status == WEIR_OK; i++)
        status = property_set(conf, properties->keys[i], properties->values[i], err);
    if (status == WEIR_OK)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

weir_status_code
wr_kafka_status(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return WEIR_AUTH;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__SSL: return WEIR_CONNECT;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: return WEIR_TIMEOUT;
    default: return WEIR_REMOTE;
    }
}

/* Before, SCRAM repeats a nonce that brokers from 4.0 on no longer take twice. */
#define SCRAM_SOUND_VERSION 0x020601ff

static const char *
auth_hint(rd_kafka_resp_err_t code, const char *reason)
{
    if (code != RD_KAFKA_RESP_ERR__AUTHENTICATION && code != RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
        return code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
                   ? "the user lacks a right (ACL): sinks want Write on the topic (brokers before 2.8: IdempotentWrite on the cluster)"
                   : "the user lacks a right (ACL) on the topic or the group";
    if (strstr(reason, "SCRAM") != NULL && rd_kafka_version() < SCRAM_SOUND_VERSION)
        return "properties: are sasl.username and sasl.password right?  If they are: SCRAM of librdkafka before 2.6.1 "
               "fails with brokers from 4.0 on; PLAIN over sasl_ssl works";
    return "properties: are sasl.username, sasl.password and sasl.mechanisms those of the broker?";
}

static const char *
topic_hint(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return "is the port in `brokers` that of a controller (or the broker a very old one)?  Say that of a broker";
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return "is the name right?  A topic must be there: kafka-topics.sh --bootstrap-server ... --create --topic ...";
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return "a topic's name is letters, digits, '.', '_' and '-', at most 249 of them";
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return "another process has this instance's name: was the data directory copied?  Without its file INSTANCE the copy "
               "gets a name of its own";
    default: return NULL;
    }
}

static const char *
reason_hint(rd_kafka_resp_err_t code, const char *reason)
{
    if (wr_kafka_status(code) == WEIR_AUTH)
        return auth_hint(code, reason);
    if (strstr(reason, "certificate verify failed") != NULL)
        return "properties: is ssl.ca.location the CA that signed the brokers' certificates, and do these have the "
               "names that `brokers` has?";
    if (wr_kafka_is_rejected(reason))
        return "properties: the broker wants a certificate of ours, ssl.certificate.location and ssl.key.location";
    if (code == RD_KAFKA_RESP_ERR__SSL || strstr(reason, "security.protocol") != NULL)
        return "properties: does security.protocol (plaintext, ssl, sasl_plaintext, sasl_ssl) fit that port?";
    if (code == RD_KAFKA_RESP_ERR__RESOLVE)
        return "is the name in `brokers` right?";
    if (strstr(reason, "Connection refused") != NULL)
        return "nobody listens there: does the broker run, and is the port in `brokers` right?";
    if (strstr(reason, "Invalid response size") != NULL)
        return "what answers there is no plain Kafka: is the port in `brokers` right, and does security.protocol fit it?";
    if (strstr(reason, "ApiVersionRequest failed") != NULL)
        return "somebody listens there and does not answer: is the port in `brokers` that of a Kafka broker?";
    return topic_hint(code);
}

void
wr_kafka_hint(weir_error *err, rd_kafka_resp_err_t code, const char *reason)
{
    const char *hint = reason_hint(code, reason);
    if (hint != NULL)
        wr_error_hint(err, "%s", hint);
}

bool
wr_kafka_is_rejected(const char *reason)
{
    return strstr(reason, "alert bad certificate") != NULL ||
           strstr(reason, "alert certificate required") != NULL ||
           strstr(reason, "alert handshake failure") != NULL;
}

bool
wr_kafka_is_passing(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR__FATAL: return false;
    default: return true;
    }
}
