// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import java.util.function.Consumer;

/**
 * A check that has not run yet.
 *
 * @param subject the checked object; it is the subject of the finding if the check fails or does not end in time
 */
public record Check(String subject, Look look) {
    /** The code of a check. */
    @FunctionalInterface
    public interface Look {
        /**
         * Passes each finding to {@code found} as soon as it is known, because a later step of the check may hang. May
         * block until the thread is interrupted. An exception counts as a bad finding.
         */
        void look(Consumer<Finding> found) throws Exception;
    }
}
