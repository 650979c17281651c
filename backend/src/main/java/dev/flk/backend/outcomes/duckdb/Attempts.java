// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.duckdb;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A mark of work in native code, by which the next start knows that the process has ended within it, and how often. */
public final class Attempts {
    private final Path mark;

    public Attempts(Path mark) {
        this.mark = mark;
    }

    public Path mark() {
        return mark;
    }

    /** Returns how many attempts did not end. */
    public int unended() throws IOException {
        if (!Files.exists(mark)) {
            return 0;
        }
        String count = Files.readString(mark, StandardCharsets.UTF_8).strip();
        return count.matches("\\d") ? Integer.parseInt(count) : 1;
    }

    public void begin() throws IOException {
        String count = Integer.toString(Math.min(9, unended() + 1));
        try {
            Files.writeString(mark, count);
        } catch (IOException e) {
            end(); // a full disk leaves an empty mark
            throw e;
        }
    }

    public void end() throws IOException {
        Files.deleteIfExists(mark);
    }
}
