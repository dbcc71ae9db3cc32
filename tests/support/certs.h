/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs.h -- certificates for tests, made on the spot and written as PEM files.
 */
#pragma once

typedef struct wr_cert wr_cert;

/* A self-signed CA, or (issuer not NULL) a certificate for the DNS name and the address 127.0.0.1.  Fails the test. */
wr_cert *wr_cert_create(const char *name, const wr_cert *issuer);
void     wr_cert_destroy(wr_cert *cert);
/* NULL: not written.  The key has mode 0600. */
void     wr_cert_write(const wr_cert *cert, const char *cert_path, const char *key_path);
