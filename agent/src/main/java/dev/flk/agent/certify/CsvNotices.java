// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.FollowedRows.File;
import java.io.IOException;

/** The notices of a reader that follows a growing file. */
public interface CsvNotices {
    /** Reports how the file is read, once, with the first row. */
    void understood(String text);

    /** Reports a line that is not certified, with the reason and the text of the line. */
    void leftOut(File csv, long line, String why, String text) throws IOException;
}
