// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;

/** Retries of steps that fail because a file was removed or replaced after it was listed. */
public final class Vanished {
    /**
     * The maximum number of attempts of a step. An attempt takes milliseconds, and logrotate and the owner of the log
     * remove or rename only a few files an hour; so ten failures in a row have another cause.
     */
    private static final int ATTEMPTS = 10;

    private Vanished() {}

    /** A step that lists a directory and opens files in it. */
    @FunctionalInterface
    public interface Step<T> {
        /** Runs the step; may be called again. */
        T run() throws IOException;
    }

    /** Runs {@code step}, and runs it again if a file vanished meanwhile; throws the last failure. */
    public static <T> T retry(Step<T> step) throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                return step.run();
            } catch (NoSuchFileException | FileNotFoundException e) {
                if (attempt == ATTEMPTS) {
                    throw e;
                }
            }
        }
    }
}
