// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;

/** Retries for files that were removed or replaced after they were listed. */
public final class Vanished {
    /** An owner removes, and logrotate renames, a few files an hour; more than this one after the other is neither at work. */
    private static final int ATTEMPTS = 10;

    private Vanished() {}

    /** Lists a directory, and opens what it found there. */
    @FunctionalInterface
    public interface Step<T> {
        /** May be run again from its beginning. */
        T run() throws IOException;
    }

    /** Runs {@code step}, again if a file vanished under it; the last failure travels. */
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
