/* SPDX-License-Identifier: Apache-2.0 */
/* server/address.c -- addresses as people write them (see address.h). */
#include "server/address.h"

#include "base/status.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static weir_status
refuse(weir_error *err, const char *text, const char *what)
{
    weir_status st =
        wr_error_set(err, WEIR_CONFIG_VALUE, "\"%.200s\" is not an address: %s", text, what);
    wr_error_hint(err, "write host:port (127.0.0.1:7077, [::1]:7077, *:7077) or unix:/path");
    return st;
}

static bool
port_is_good(const char *port)
{
    size_t n = strspn(port, "0123456789");
    return n > 0 && n <= 5 && port[n] == '\0' && atoi(port) <= 65535;
}

weir_status
address_parse(const char *text, const char *default_port, address *out, weir_error *err)
{
    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0) {
        size_t n = strlen(text + 5);
        if (n == 0 || n >= sizeof out->path)
            return refuse(err, text,
                          n == 0 ? "the path is missing" : "the path is longer than 107 bytes");
        memcpy(out->path, text + 5, n + 1);
        return WEIR_OK;
    }
    const char *host = text, *end, *port;
    if (text[0] == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return refuse(err, text, "a ] is missing");
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strrchr(text, ':');
        port = end != NULL ? end + 1 : NULL;
        end = end != NULL ? end : text + strlen(text);
        if (memchr(host, ':', (size_t)(end - host)) != NULL)
            return refuse(err, text, "an IPv6 address stands in [ ]");
    }
    if (port == NULL)
        port = default_port;
    if (port == NULL || !port_is_good(port))
        return refuse(err, text,
                      port == NULL ? "the port is missing"
                                   : "the port is not a number up to 65535");
    if ((size_t)(end - host) >= sizeof out->host)
        return refuse(err, text, "the host is too long");
    memcpy(out->host, host, (size_t)(end - host));
    memcpy(out->port, port, strlen(port) + 1);
    if (strcmp(out->host, "*") == 0 || out->host[0] == '\0')
        memcpy(out->host, "*", 2);
    return WEIR_OK;
}

weir_status
address_resolve(const address *a, bool passive, struct addrinfo **list, weir_error *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV };
    hints.ai_flags |= passive ? AI_PASSIVE : 0;
    bool any = strcmp(a->host, "*") == 0;
    int rc = getaddrinfo(any ? NULL : a->host, a->port, &hints, list);
    if (rc != 0)
        return wr_error_set(err, WEIR_CONNECT, "cannot resolve \"%s\": %s", a->host,
                            gai_strerror(rc));
    return WEIR_OK;
}

socklen_t
address_unix(const address *a, struct sockaddr_storage *where)
{
    struct sockaddr_un *un = (struct sockaddr_un *)where;
    memset(where, 0, sizeof *where);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, a->path, strlen(a->path) + 1);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(a->path) + 1);
}

bool
address_is_loopback(const struct sockaddr *where)
{
    if (where->sa_family == AF_UNIX)
        return true;
    if (where->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)where)->sin_addr.s_addr) >> 24) == 127;
    if (where->sa_family != AF_INET6)
        return false;
    const struct in6_addr *a = &((const struct sockaddr_in6 *)where)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}
