/* SPDX-License-Identifier: Apache-2.0 */
/* certs.c -- see certs.h. */
#include "support/certs.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct wr_cert {
    EVP_PKEY *key;
    X509     *cert;
};

static void
extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

wr_cert *
wr_cert_create(const char *name, const wr_cert *issuer)
{
    static int serial;
    char       names[160];
    wr_cert   *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->key = EVP_EC_gen("P-256");
    c->cert = X509_new();
    assert_true(c->key != NULL && c->cert != NULL);
    X509_set_version(c->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c->cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c->cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c->cert), 86400);
    X509_set_pubkey(c->cert, c->key);
    X509_NAME *subject = X509_get_subject_name(c->cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) name, -1, -1, 0);
    X509 *by = issuer != NULL ? issuer->cert : c->cert;
    X509_set_issuer_name(c->cert, X509_get_subject_name(by));
    if (issuer == NULL) {
        extension_add(c->cert, by, NID_basic_constraints, "critical,CA:TRUE");
        extension_add(c->cert, by, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        snprintf(names, sizeof names, "DNS:%s,IP:127.0.0.1", name);
        extension_add(c->cert, by, NID_subject_alt_name, names);
    }
    assert_true(X509_sign(c->cert, issuer != NULL ? issuer->key : c->key, EVP_sha256()) > 0);
    return c;
}

void
wr_cert_destroy(wr_cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->cert);
    free(cert);
}

static FILE *
file_make(const char *path, mode_t mode)
{
    (void) unlink(path);
    int   fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    assert_non_null(f);
    return f;
}

void
wr_cert_write(const wr_cert *cert, const char *cert_path, const char *key_path)
{
    if (cert_path != NULL) {
        FILE *f = file_make(cert_path, 0644);
        assert_int_equal(PEM_write_X509(f, cert->cert), 1);
        assert_int_equal(fclose(f), 0);
    }
    if (key_path != NULL) {
        FILE *f = file_make(key_path, 0600);
        assert_int_equal(PEM_write_PrivateKey(f, cert->key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(fclose(f), 0);
    }
}
