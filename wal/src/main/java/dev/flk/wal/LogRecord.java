// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

/**
 * A record as it was read back.
 *
 * @param sequence of the record; the log's sequences have no gaps
 * @param group the first sequence of the group that it was forced with
 * @param arrivalMillis wall time of arrival, milliseconds since the epoch
 * @param kind as it was appended
 * @param keyId as it was appended
 * @param context in force when it was appended (see {@link LogOptions#context})
 * @param body as it was appended
 * @param position where it stands
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

    Entry entry() {
        return new Entry(kind, keyId, arrivalMillis, body);
    }

    /**
     * Where a record stands.
     *
     * @param segment the file's name
     * @param offset of the record's header line in the file, in bytes
     */
    public record Position(String segment, long offset) {}
}
