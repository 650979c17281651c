// SPDX-License-Identifier: Apache-2.0
/**
 * The computation of certificates from measurements: CSV rows are divided into windows, and each window becomes one
 * unsigned certificate. Pure apart from reading the file; the same rows, epoch and shard result in the same {@code
 * pcs_id} on every machine. The command line uses {@code CsvRows}, {@code Windows} and {@code Certifier}.
 */
@NullMarked
package dev.flk.agent.certify;

import org.jspecify.annotations.NullMarked;
