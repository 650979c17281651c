/**
 * Measurements in, certificates out: CSV rows are cut into windows and each window becomes one unsigned certificate.
 * Pure but for reading the file; the same rows give the same {@code pcs_id} on every machine. The command line calls in
 * through {@code CsvRows}, {@code Windows} and {@code Certifier}.
 */
@NullMarked
package dev.flk.agent.certify;

import org.jspecify.annotations.NullMarked;
