// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.Row;
import dev.flk.agent.certify.Windows.Window;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes a certificate of measurements that a program holds: the same, byte for byte, that {@code flk agent certify} makes of a CSV
 * with these numbers. One thread.
 */
public final class CertificateBuilder {
    private final String shardId;
    private final List<Row> rows = new ArrayList<>();
    private long epoch;

    /** @throws IllegalArgumentException if that can't be the id of a shard */
    public CertificateBuilder(String shardId) {
        Certifier.checkShardId(shardId);
        this.shardId = shardId;
    }

    /** The number of the window in its shard, 0 if none is given: another window needs another. */
    public CertificateBuilder epoch(long number) {
        epoch = number;
        return this;
    }

    /**
     * Adds measurements.
     *
     * @param measured each a time in seconds, and one to three values; below 16 the certificate says that they are few
     * @throws IllegalArgumentException naming the row that is no measurement
     */
    public CertificateBuilder rows(double[][] measured) {
        for (double[] row : measured) {
            int values = row.length - 1;
            if (values < 1 || values > 3) {
                throw wrong("has " + row.length + " numbers; a time and one to three values are needed");
            }
            if (!rows.isEmpty() && rows.get(0).values() != values) {
                throw wrong("has " + values + " values, the first row has "
                        + rows.get(0).values());
            }
            if (!Arrays.stream(row).allMatch(Double::isFinite)) {
                throw wrong("holds " + Arrays.toString(row) + "; all numbers must be finite");
            }
            double[] all = Arrays.copyOf(row, 4);
            rows.add(new Row(all[0], values, all[1], all[2], all[3]));
        }
        return this;
    }

    private IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException("row " + (rows.size() + 1) + " " + what);
    }

    /** The certificate as JSON in UTF-8, unsigned: the agent signs what it sends. */
    public byte[] build() {
        return Certifier.certificate(new Window(epoch, rows, false), shardId);
    }
}
