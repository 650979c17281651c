// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.certificate.ShardId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A builder of a certificate from measurements in memory. The certificate has the same bytes as the certificate that
 * {@code flk agent certify} computes for a complete window of a CSV file with the same numbers. For one thread.
 */
public final class CertificateBuilder {
    private final String shardId;
    private final List<Row> rows = new ArrayList<>();
    private long epoch;

    /**
     * Creates an empty builder for a certificate of the given shard.
     *
     * @throws IllegalArgumentException if the text is not a valid shard id
     */
    public CertificateBuilder(String shardId) {
        ShardId.check(shardId);
        this.shardId = shardId;
    }

    /** Sets the epoch, which is the number of the window and must be unique within the shard; the default is 0. */
    public CertificateBuilder epoch(long number) {
        epoch = number;
        return this;
    }

    /**
     * Adds measurements.
     *
     * @param measured rows, each with a time in seconds and one to three values. If there are fewer than 16 rows in
     *     total, the certificate declares the window short
     * @throws IllegalArgumentException if a row does not have one to three values, has another number of values than
     *     the first row, or contains a number that is not finite; the message names the row
     */
    public CertificateBuilder rows(double[][] measured) {
        for (double[] row : measured) {
            int values = row.length - 1;
            if (values < 1 || values > 3) {
                throw wrong("has " + row.length + " numbers; give a time and one to three values");
            }
            if (!rows.isEmpty() && rows.get(0).values() != values) {
                throw wrong("has " + values + " values, but the first row has "
                        + rows.get(0).values());
            }
            if (!Arrays.stream(row).allMatch(Double::isFinite)) {
                throw wrong("contains " + Arrays.toString(row) + "; all numbers must be finite");
            }
            double[] all = Arrays.copyOf(row, 4);
            rows.add(new Row(all[0], values, all[1], all[2], all[3]));
        }
        return this;
    }

    private IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException("row " + (rows.size() + 1) + " " + what);
    }

    /** Returns the unsigned certificate as JSON in UTF-8. The agent signs a certificate when sending it. */
    public byte[] build() {
        return Certifier.certificate(new Window(epoch, rows, true, false), shardId, false);
    }
}
