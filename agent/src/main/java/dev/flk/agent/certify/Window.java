// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.List;

/**
 * The rows that one certificate speaks for.
 *
 * @param number its place in the sequence of windows; it becomes the epoch of the certificate
 * @param cut whether the data ended before the window was full
 */
record Window(long number, List<Row> rows, boolean cut) {

    /** Fewer rows than this fill too few boxes for a slope to mean much. */
    static final int FEWEST_ROWS = 16;

    Window {
        if (number < 0) {
            throw new IllegalArgumentException("a window number is at least 0, not " + number);
        }
        if (rows.isEmpty()) {
            throw new IllegalArgumentException("a window has at least one row");
        }
        rows = List.copyOf(rows);
    }

    /** Whether it holds less than was asked for, or too little to measure. */
    boolean isShort() {
        return cut || rows.size() < FEWEST_ROWS;
    }
}
