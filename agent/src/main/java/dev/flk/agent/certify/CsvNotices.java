// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

/** The notices of a reader that follows a growing file, for the log. */
public interface CsvNotices {
    /** No notices. */
    CsvNotices NONE = new CsvNotices() {
        @Override
        public void understood(String text) {}

        @Override
        public void waiting(String text) {}

        @Override
        public void leftOut(String text) {}
    };

    /** Reports how the file is read, once, with the first row. */
    void understood(String text);

    /** Reports that rows wait for a later row that settles what they mean. */
    void waiting(String text);

    /** Reports rows that are not certified, because no row settles what they mean. */
    void leftOut(String text);
}
