// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.parts;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The opened parts of a program. They are closed in the reverse order of their opening. Not for several threads. */
public final class OpenedParts implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OpenedParts.class);

    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    /** Adds a part that was just opened, and returns it. */
    public <T extends AutoCloseable> T opened(T part) {
        opened.push(part);
        return part;
    }

    /** Moves a part, so that it is closed before all parts that are opened so far. */
    public void closeFirst(AutoCloseable part) {
        opened.remove(part);
        opened.push(part);
    }

    /** Closes all parts. If closing a part fails, logs the failure and closes the remaining parts. */
    @Override
    public void close() {
        while (!opened.isEmpty()) {
            AutoCloseable part = opened.pop();
            try {
                part.close();
            } catch (Exception e) {
                LOG.error("closing {} failed", part.getClass().getSimpleName(), e);
            }
        }
    }
}
