// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

/**
 * A stretch of the log that had been forced and can't be read any more.
 *
 * @param segment the file's name
 * @param offset where in the file reading failed, in bytes
 * @param firstMissing the first sequence that is gone
 * @param lastMissing the last sequence that is gone
 */
public record Damage(String segment, long offset, long firstMissing, long lastMissing) {
    /** One line for people. */
    public String describe() {
        String missing = firstMissing == lastMissing
                ? "record " + firstMissing
                : "records " + firstMissing + " to " + lastMissing;
        return "segment " + segment + " is damaged at byte " + offset + ": " + missing + " missing";
    }
}
