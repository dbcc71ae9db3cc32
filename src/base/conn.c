/* SPDX-License-Identifier: Apache-2.0 */
/* base/conn.c -- a connected socket's bytes, raw or through OpenSSL (see conn.h). */
#include "base/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct wr_tls {
    SSL_CTX *ctx;
};

/* --- the socket under OpenSSL: send without a signal --- */

static int
wire_write(BIO *bio, const char *bytes, int length)
{
    int fd = (int) (intptr_t) BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(fd, bytes, (size_t) length, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int) n;
}

static int
wire_read(BIO *bio, char *bytes, int length)
{
    int fd = (int) (intptr_t) BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(fd, bytes, (size_t) length, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return (int) n;
}

static long
wire_control(BIO *bio, int what, long number, void *pointer)
{
    (void) number;
    (void) pointer;
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH;
}

/* Made once, kept for the life of the process; NULL: no memory. */
static BIO_METHOD    *wire_method;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static void
wire_method_make(void)
{
    wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket");
    if (wire_method == NULL)
        return;
    BIO_meth_set_write(wire_method, wire_write);
    BIO_meth_set_read(wire_method, wire_read);
    BIO_meth_set_ctrl(wire_method, wire_control);
}

/* --- certificates --- */

/* The newest reason in OpenSSL's queue, which is emptied. */
static const char *
tls_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char   *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "unknown reason";
}

static weir_status
tls_refuse(weir_error *err, const char *what, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "%s: cannot read \"%.180s\": %s", what, path,
                            strerror(errno));
    return wr_error_set(err, WEIR_CONFIG_VALUE, "%s: \"%.180s\": %s", what, path, tls_reason());
}

/* A key is its owner's alone. */
static weir_status
key_mode_check(const char *path, weir_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return tls_refuse(err, "tls.key", path);
    mode_t others = st.st_uid == 0 ? S_IRWXO | S_IWGRP | S_IXGRP : S_IRWXO | S_IRWXG;
    if (S_ISREG(st.st_mode) && (st.st_mode & others) == 0)
        return WEIR_OK;
    weir_status status = wr_error_set(err, WEIR_CONFIG_VALUE,
                                      "tls.key: \"%.180s\" can be read by others (mode %04o)", path,
                                      (unsigned) (st.st_mode & 07777));
    wr_error_hint(err, "chmod 600 %.180s", path);
    return status;
}

static weir_status
tls_identity(SSL_CTX *ctx, const char *cert, const char *key, weir_error *err)
{
    WR_TRY(key_mode_check(key, err));
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return tls_refuse(err, "tls.cert", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return tls_refuse(err, "tls.key", key);
    return WEIR_OK;
}

static int
no_password(char *into, int size, int writing, void *user)
{
    (void) into;
    (void) size;
    (void) writing;
    (void) user;
    return 0; /* nobody is there to be asked */
}

static SSL_CTX *
context_create(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

static weir_status
tls_give(SSL_CTX *ctx, weir_status status, wr_tls **tls, weir_error *err)
{
    wr_tls *t = status == WEIR_OK ? wr_alloc(NULL, sizeof *t) : NULL;
    ERR_clear_error();
    if (t == NULL) {
        SSL_CTX_free(ctx);
        return status != WEIR_OK ? status : wr_error_set(err, WEIR_MEMORY, "no memory for TLS");
    }
    t->ctx = ctx;
    *tls = t;
    return WEIR_OK;
}

weir_status
wr_tls_create_server(const char *cert, const char *key, const char *client_ca, wr_tls **tls,
                     weir_error *err)
{
    SSL_CTX *ctx = context_create(TLS_server_method());
    if (ctx == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for TLS");
    SSL_CTX_set_num_tickets(ctx, 0); /* connections are long: nothing is resumed */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    weir_status status = tls_identity(ctx, cert, key, err);
    if (status == WEIR_OK && client_ca != NULL) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);
        if (names == NULL || SSL_CTX_load_verify_file(ctx, client_ca) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            status = tls_refuse(err, "tls.client_ca", client_ca);
        } else {
            SSL_CTX_set_client_CA_list(ctx, names);
            SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        }
    }
    return tls_give(ctx, status, tls, err);
}

weir_status
wr_tls_create_client(const char *ca, const char *cert, const char *key, wr_tls **tls,
                     weir_error *err)
{
    weir_status status = WEIR_OK;
    SSL_CTX    *ctx = context_create(TLS_client_method());
    if (ctx == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for TLS");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (ca != NULL ? SSL_CTX_load_verify_file(ctx, ca) != 1
                   : SSL_CTX_set_default_verify_paths(ctx) != 1)
        status = tls_refuse(err, "the CA's certificate", ca != NULL ? ca : "(the system's)");
    if (status == WEIR_OK && (cert == NULL) != (key == NULL))
        status = wr_error_set(err, WEIR_CONFIG_MISSING,
                              "a client's certificate and its key go together");
    if (status == WEIR_OK && cert != NULL)
        status = tls_identity(ctx, cert, key, err);
    return tls_give(ctx, status, tls, err);
}

void
wr_tls_destroy(wr_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    wr_free(tls);
}

/* --- connections --- */

void
wr_conn_init(wr_conn *conn, int fd)
{
    *conn = (wr_conn){ .fd = fd };
}

static weir_status
conn_start_tls(wr_conn *conn, const wr_tls *tls)
{
    SSL *ssl = SSL_new(tls->ctx);
    (void) pthread_once(&wire_once, wire_method_make);
    BIO *bio = ssl != NULL && wire_method != NULL ? BIO_new(wire_method) : NULL;
    if (bio == NULL) {
        SSL_free(ssl);
        ERR_clear_error();
        return WEIR_MEMORY;
    }
    BIO_set_data(bio, (void *) (intptr_t) conn->fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    conn->ssl = ssl;
    return WEIR_OK;
}

weir_status
wr_conn_accept_tls(wr_conn *conn, const wr_tls *tls)
{
    WR_TRY(conn_start_tls(conn, tls));
    SSL_set_accept_state(conn->ssl);
    return WEIR_OK;
}

weir_status
wr_conn_connect_tls(wr_conn *conn, const wr_tls *tls, const char *host)
{
    unsigned char address[16];
    bool          is_address = inet_pton(AF_INET, host, address) == 1 ||
                      inet_pton(AF_INET6, host, address) == 1;
    WR_TRY(conn_start_tls(conn, tls));
    SSL_set_connect_state(conn->ssl);
    bool ok = is_address
                  ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(conn->ssl), host) == 1
                  : SSL_set1_host(conn->ssl, host) == 1 &&
                        SSL_set_tlsext_host_name(conn->ssl, host) == 1;
    ERR_clear_error();
    if (ok)
        return WEIR_OK;
    wr_conn_fini(conn);
    return WEIR_MEMORY;
}

/* What OpenSSL says of a call that moved nothing. */
static ssize_t
tls_outcome(wr_conn *conn, int result, bool writing)
{
    conn->shaken |= SSL_is_init_finished(conn->ssl);
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        conn->wants_read = writing;
        return WR_CONN_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        conn->wants_write = !writing;
        return WR_CONN_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return writing ? WR_CONN_FAILED : 0;
    default: conn->failed = true; return WR_CONN_FAILED;
    }
}

static ssize_t
tls_read(wr_conn *conn, char *bytes, size_t length)
{
    size_t done = 0;
    int    n = 0;
    conn->wants_write = false;
    ERR_clear_error();
    do { /* W1: a record at a time, as long as a whole one fits */
        n = SSL_read(conn->ssl, bytes + done, (int) WR_MIN(length - done, (size_t) INT32_MAX));
        done += n > 0 ? (size_t) n : 0;
    } while (n > 0 && length - done >= WR_CONN_RECORD);
    conn->shaken |= done > 0;
    if (done > 0)
        return (ssize_t) done; /* an error or an end comes again */
    return tls_outcome(conn, n, false);
}

int
wr_conn_handshake(wr_conn *conn)
{
    if (wr_conn_is_ready(conn))
        return 1;
    if (conn->failed)
        return WR_CONN_FAILED;
    conn->wants_read = conn->wants_write = false;
    ERR_clear_error();
    int n = SSL_do_handshake(conn->ssl);
    conn->shaken = n == 1;
    if (n == 1)
        return 1;
    n = (int) tls_outcome(conn, n, false);
    conn->wants_read = n == WR_CONN_AGAIN && !conn->wants_write;
    return n == 0 ? WR_CONN_FAILED : n;
}

static ssize_t
raw_outcome(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? WR_CONN_AGAIN : WR_CONN_FAILED;
}

ssize_t
wr_conn_read(wr_conn *conn, void *bytes, size_t length)
{
    if (conn->failed)
        return WR_CONN_FAILED;
    if (conn->ssl != NULL)
        return tls_read(conn, bytes, length);
    return raw_outcome(recv(conn->fd, bytes, length, 0));
}

ssize_t
wr_conn_write(wr_conn *conn, const void *bytes, size_t length)
{
    wr_assert(length > 0);
    if (conn->failed)
        return WR_CONN_FAILED;
    if (conn->ssl == NULL)
        return raw_outcome(send(conn->fd, bytes, length, MSG_NOSIGNAL));
    conn->wants_read = false;
    ERR_clear_error();
    int n = SSL_write(conn->ssl, bytes, (int) WR_MIN(length, (size_t) INT32_MAX));
    conn->shaken |= n > 0;
    return n > 0 ? n : tls_outcome(conn, n, true);
}

ssize_t
wr_conn_writev(wr_conn *conn, const struct iovec *pieces, uint32_t count)
{
    wr_assert(count > 0);
    if (conn->ssl != NULL || count == 1)
        return wr_conn_write(conn, pieces[0].iov_base, pieces[0].iov_len);
    if (conn->failed)
        return WR_CONN_FAILED;
    struct msghdr message = { .msg_iov = (struct iovec *) (uintptr_t) pieces, .msg_iovlen = count };
    return raw_outcome(sendmsg(conn->fd, &message, MSG_NOSIGNAL));
}

bool
wr_conn_shutdown(wr_conn *conn)
{
    if (conn->failed || !wr_conn_is_ready(conn))
        return false;
    if (conn->ssl != NULL) {
        ERR_clear_error();
        (void) SSL_shutdown(conn->ssl);
    }
    return shutdown(conn->fd, SHUT_WR) == 0;
}

bool
wr_conn_is_ready(const wr_conn *conn)
{
    return conn->ssl == NULL || conn->shaken;
}

void
wr_conn_error(const wr_conn *conn, char *text, size_t size, const char **hint)
{
    *hint = "";
    text[0] = '\0';
    if (conn->ssl == NULL)
        return;
    long          verify = SSL_get_verify_result(conn->ssl);
    unsigned long code = ERR_peek_last_error();
    if (verify != X509_V_OK && !SSL_is_server(conn->ssl)) {
        snprintf(text, size, "the server's certificate is not good: %s",
                 X509_verify_cert_error_string(verify));
        *hint = verify == X509_V_ERR_HOSTNAME_MISMATCH || verify == X509_V_ERR_IP_ADDRESS_MISMATCH
                    ? "connect by a name that the certificate has"
                    : "is it signed by the CA that --ca names?";
        return;
    }
    if (verify != X509_V_OK) {
        snprintf(text, size, "the client's certificate is not good: %s", X509_verify_cert_error_string(verify));
        return;
    }
    if (code == 0)
        snprintf(text, size, "%s", wr_conn_is_ready(conn) ? "the connection broke" : "the handshake broke off");
    else
        snprintf(text, size, "%s", ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code)
                                                                          : "unknown reason");
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER && !SSL_is_server(conn->ssl))
        *hint = "that port does not speak TLS: leave out --tls";
    if (ERR_GET_REASON(code) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)
        *hint = "the server wants a certificate of yours: --cert FILE --key FILE";
    if (ERR_GET_REASON(code) == SSL_R_TLSV1_ALERT_UNKNOWN_CA && !SSL_is_server(conn->ssl))
        *hint = "the server does not know who signed your certificate (--cert)";
}

void
wr_conn_fini(wr_conn *conn)
{
    if (conn->ssl != NULL)
        SSL_free(conn->ssl);
    ERR_clear_error();
    conn->ssl = NULL;
}
