// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

/** What the inbox log's records are; {@code wal} knows them as letters. */
final class RecordKind {
    /** A certificate that was taken: its raw body. Decided by the context it was logged in. */
    static final char SUBMISSION = 's';

    /** Other content under an id that was known: its raw body. Never decided. */
    static final char EVIDENCE = 'e';

    /** What stands for an id instead of our own outcome, since another was first: {@code Recorded.encode}. */
    static final char OVERRULED = 'o';

    private RecordKind() {}
}
