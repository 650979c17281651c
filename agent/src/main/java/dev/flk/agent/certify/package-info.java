// SPDX-License-Identifier: Apache-2.0
/**
 * The computation of certificates from measurements: CSV rows are divided into windows, and each window becomes one
 * unsigned certificate. Pure apart from reading the stream; the same rows, epoch and shard result in the same {@code
 * pcs_id} on every machine. The command line uses {@code CertifyOptions}, {@code Windows} and {@code Certifier}.
 */
@NullMarked
package dev.flk.agent.certify;

import org.jspecify.annotations.NullMarked;
