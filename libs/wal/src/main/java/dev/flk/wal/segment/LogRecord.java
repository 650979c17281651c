// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

/**
 * A record of the log.
 *
 * @param sequence the sequence of the record; a log's sequences have no gaps
 * @param group the first sequence of the group that was forced together
 * @param arrivalMillis the wall time of arrival, in milliseconds since the epoch
 * @param kind the kind of the appended entry
 * @param keyId the key id of the appended entry
 * @param context the log's context when the record was appended (see {@code LogOptions.context})
 * @param body the body of the appended entry
 * @param position the position of the record on disk
 */
public record LogRecord(
        long sequence,
        long group,
        long arrivalMillis,
        char kind,
        String keyId,
        String context,
        byte[] body,
        Position position) {

    public Entry entry() {
        return new Entry(kind, keyId, arrivalMillis, body);
    }

    /**
     * The position of a record.
     *
     * @param segment the name of the file
     * @param offset the offset of the record's header line in the file, in bytes
     */
    public record Position(String segment, long offset) {}
}
